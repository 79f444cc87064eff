"""Populations of an API server, as JSON."""

import json
from typing import Any

from kubernetes.client import ApiClient, CustomObjectsApi
from kubernetes.client.exceptions import ApiException

OURS = {"group": "pbt.dev", "version": "v1alpha1", "namespace": "default", "plural": "populations"}


class Refused(Exception):
    """The API server's message."""


class Populations:
    """Of the namespace `default`. Without `keep` nothing is stored: the API server only answers what it would do."""

    def __init__(self, client: ApiClient) -> None:
        self._api = CustomObjectsApi(client)

    def create(self, manifest: dict[str, Any], *, keep: bool = False) -> dict[str, Any]:
        """The Population with its defaults.

        Raises:
            Refused: it is wrong, or has unknown fields.
        """
        return self._asked(
            self._api.create_namespaced_custom_object, body=manifest, field_validation="Strict", keep=keep
        )

    def change(
        self, name: str, change: dict[str, Any], *, keep: bool = False, status: bool = False
    ) -> dict[str, Any]:
        """The Population after a merge patch of it, or of its status.

        Raises:
            Refused: it would be wrong.
        """
        api = self._api
        patch = api.patch_namespaced_custom_object_status if status else api.patch_namespaced_custom_object
        return self._asked(patch, name=name, body=change, keep=keep)

    def delete(self, name: str) -> None:
        """Removes a Population that is kept."""
        self._api.delete_namespaced_custom_object(**OURS, name=name)

    def _asked(self, request: Any, *, keep: bool, **arguments: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = request(**OURS, **arguments, **({} if keep else {"dry_run": "All"}))
        except ApiException as error:
            raise Refused(json.loads(error.body)["message"]) from error
        return answer
