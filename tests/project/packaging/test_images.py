"""The images that the Dockerfiles build are what a cluster with strict rules runs."""

import json
from collections.abc import Iterator

import pytest

from kindcluster import images, lifetime, traces
from kindcluster.engine import Engine
from kindcluster.machine import why_not

RESTRICTED = ("--rm", "--read-only", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges")

pytestmark = [pytest.mark.process, pytest.mark.timeout(1800)]  # the first time the bases are built, too


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    reason = why_not()
    if reason:
        pytest.skip(f"images can't be built: {reason}")
    lifetime.prepare()
    yield lifetime.own().engine
    traces.drop_empty_groups()


def python(engine: Engine, image: str, script: str) -> list[str]:
    """What a script prints in a container of the image, in words."""
    run = ("run", *RESTRICTED, "--entrypoint", "python", images.full_name(image))
    return engine(*run, "-c", script).split()


@pytest.mark.parametrize("image", [images.OPERATOR, images.TRAINER])
def test_an_image_runs_as_a_number_that_is_not_root(engine: Engine, image: str) -> None:
    config = json.loads(engine("image", "inspect", images.full_name(image)))[0]["Config"]
    assert config["User"] == "65532:65532"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    # Some libraries ask for the user's name, which a bare number has not.
    script = "import getpass, os; print(os.getuid(), getpass.getuser() != 'root')"
    assert python(engine, image, script) == ["65532", "True"]


def test_the_operator_starts_on_a_read_only_file_system(engine: Engine) -> None:
    run = ("run", *RESTRICTED, "--read-only-tmpfs=false") if engine.name == "podman" else ("run", *RESTRICTED)
    assert "Population Based Training" in engine(*run, images.full_name(images.OPERATOR), "--help")
    assert "operator" in engine(*run, images.full_name(images.OPERATOR), "operator", "--help")


def test_the_operator_has_what_it_needs_and_no_torch(engine: Engine) -> None:
    script = "from importlib.util import find_spec as f; print(*(bool(f(m)) for m in ('kopf', 'kubernetes', 'torch')))"
    assert python(engine, images.OPERATOR, script) == ["True", "True", "False"]


def test_the_operator_has_nothing_to_install_with_and_no_more_of_its_libraries_than_it_uses(
    engine: Engine,
) -> None:
    names = "'pip', 'ensurepip', 'setuptools', 'hatchling', 'pytest', 'kubernetes.aio', 'numpy.tests'"
    script = f"from importlib.util import find_spec as f; print(*(m for m in ({names}) if f(m)), '.')"
    assert python(engine, images.OPERATOR, script) == ["."]


def test_the_operator_reaches_stores_with_each_identity_that_a_pod_can_have(engine: Engine) -> None:
    script = (
        "import boto3;"
        "print(*(boto3.client(s, region_name='eu-central-1').meta.service_model.service_name for s in ('s3', 'sts')))"
    )
    assert python(engine, images.OPERATOR, script) == ["s3", "sts"]


def test_a_trainer_has_torch_the_sdk_and_the_examples(engine: Engine) -> None:
    script = (
        "import os, pbt_trainer, sklearn.datasets as data, torch;"
        "print(int(torch.ones(3).sum()), len(data.load_digits().images), os.path.exists('examples/digits/train.py'))"
    )
    assert python(engine, images.TRAINER, script) == ["3", "1797", "True"]
