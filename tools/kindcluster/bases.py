"""The bases of the two Dockerfiles on a machine that can't pull the public ones: Debian's Python, and its PyTorch."""

from pathlib import Path

from kindcluster import debian
from kindcluster.engine import podman
from kindcluster.machine import PYTHON, succeeds


def python() -> str:
    """The name of an image with Python 3.11 and pip: the public one where it can be pulled.

    Raises:
        ClusterError: it can't be made.
    """
    pull = ["timeout", "60", "podman", "pull", "--quiet", PYTHON]
    if podman().has(PYTHON) or (
        not _stand_in_exists("python") and succeeds(pull, environment=podman().environment)
    ):
        return PYTHON
    return debian.image(
        "python",
        release="bookworm",
        packages=["python3", "python3-pip"],
        prepare=_like_public,
        recipe=_RECIPE,
    )


def torch() -> str:
    """The name of an image with Python, pip and PyTorch for the CPU.

    The public default carries CUDA and gigabytes of it, which tests without a GPU do not need.

    Raises:
        ClusterError: it can't be made.
    """
    packages = ["python3", "python3-pip", "python3-torch"]
    return debian.image("torch", release="trixie", packages=packages, prepare=_like_public, recipe=_RECIPE)


_RECIPE = "python on the PATH, pip installs where it is told and trusts what this machine trusts"


def _like_public(root: Path) -> None:
    """Makes Debian's Python behave as in the public images."""
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    (root / "etc/pip.conf").write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")


def _stand_in_exists(name: str) -> bool:
    return bool(podman()("images", "--quiet", f"localhost/pbt/{name}").strip())
