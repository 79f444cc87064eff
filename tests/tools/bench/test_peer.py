"""Ray beside ours: pinned, and missed without harm."""

import re
import subprocess

import pytest

from bench import gap, peer, wall
from bench.sample import Remark, Sample


@pytest.fixture
def no_ray(monkeypatch):
    """The environment can't be installed; ours is as quick as can be."""

    def fails(*_args, **_settings):
        raise subprocess.CalledProcessError(1, "uv", stderr="no network")

    peer.python.cache_clear()
    monkeypatch.setattr(peer, "_install", fails)
    monkeypatch.setattr(
        gap, "_ours", lambda size, settings, way: (0.01, [Sample(f"gap.{way.name}", 0.01, "s")])
    )
    yield
    peer.python.cache_clear()


def test_every_package_of_the_peer_is_pinned_by_its_hash():
    text = peer.LOCK.read_text()
    pins = re.findall(r"^\S+==[^\\]*\\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z0-9]\S*==", text, re.MULTILINE)) > 10
    assert peer.version().startswith("2.60.")


@pytest.mark.parametrize("size", ["1MB", "100MB"])
def test_without_ray_ours_is_measured_and_the_remark_says_why(no_ray, monkeypatch, tmp_path, size):
    monkeypatch.setenv("PBT_CACHE", str(tmp_path))
    found = list(gap._round(0, size, gap.SMALL))
    assert [one.figure for one in found if isinstance(one, Sample)] == [f"gap.{way.name}" for way in gap.WAYS]
    remarks = [one.text for one in found if isinstance(one, Remark)]
    assert remarks
    assert all("can't be installed: no network" in told for told in remarks)


def test_wall_time_says_that_the_peer_is_missing(no_ray, monkeypatch, tmp_path):
    monkeypatch.setenv("PBT_CACHE", str(tmp_path))
    [told] = wall._rays("4-members", wall.SHORT)
    assert isinstance(told, Remark)
    assert "no network" in told.text
