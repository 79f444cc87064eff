"""Importing the SDK is cheap, and what it exports is settled."""

import subprocess
import sys

import pytest

import pbt_trainer

HEAVY = ("torch", "numpy", "boto3", "botocore", "safetensors", "asyncio", "pydantic")


def _loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(found.stdout.split())


@pytest.mark.process
def test_importing_the_sdk_loads_no_heavy_library() -> None:
    assert _loaded_by("pbt_trainer") == set()


@pytest.mark.process
def test_the_courier_loads_no_heavy_library() -> None:
    assert _loaded_by("pbt_trainer.courier.__main__") == set()


def test_what_the_package_exports() -> None:
    assert pbt_trainer.__all__ == sorted(pbt_trainer.__all__)
    assert set(pbt_trainer.__all__) == {
        "Advance",
        "Checkpoint",
        "CorruptCheckpoint",
        "Episode",
        "ExitCode",
        "KeyRefused",
        "NotFound",
        "PbtError",
        "RecordRefused",
        "Run",
        "StateError",
        "Stopped",
        "StoreRefused",
        "StoreUnavailable",
        "UsageError",
        "Window",
        "join",
        "optional",
        "trainable",
    }
    assert all(hasattr(pbt_trainer, name) for name in pbt_trainer.__all__)
