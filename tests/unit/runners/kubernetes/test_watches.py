"""The settings of the watches."""

import kopf

from pbt_operator.runners.kubernetes.handlers import configured


def test_no_object_is_copied_to_be_compared_with_its_next_state():
    settings = kopf.OperatorSettings()
    configured(settings, namespaced=False)
    body = kopf.Body({"metadata": {"name": "digits-0-1", "labels": {"a": "b"}}, "spec": {"containers": []}})
    kept = settings.persistence.diffbase_storage
    assert kept.build(body=body) == {}
    assert kept.fetch(body=body) is None
