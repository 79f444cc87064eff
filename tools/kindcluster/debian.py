"""Debian as an image, made by debootstrap: the base of what can't be pulled."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kindcluster.engine import podman
from kindcluster.machine import ClusterError, digest, install, run, step
from programs.build import cache

# What programs don't need at run time.
_WASTE = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/include",
    "usr/lib/libtorch-test",
    "var/cache/apt",
    "var/lib/apt/lists",
)
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def image(
    name: str,
    *,
    release: str,
    packages: Sequence[str],
    prepare: Callable[[Path], None],
    recipe: str,
    changes: Sequence[str] = (),
) -> str:
    """The image `localhost/pbt/<name>:<hash of what it is made of>`, which is made where it isn't here.

    Args:
        name: of the image.
        release: of Debian.
        packages: to be installed, without what they recommend.
        prepare: changes the file system, whose folder it gets, before it becomes an image.
        recipe: names all that `prepare` does.
        changes: instructions of a Dockerfile, such as `ENTRYPOINT [...]`.

    Raises:
        ClusterError: it can't be made.
    """
    bundle = _CA_BUNDLE.read_bytes() if _CA_BUNDLE.exists() else b""
    key = digest(Path(__file__), release, " ".join(packages), recipe, " ".join(changes), bundle)
    full = f"localhost/pbt/{name}:{key}"
    if not podman().has(full):
        with step(f"making the image {name} from Debian {release}"), _bootstrapped(release, packages) as root:
            prepare(root)
            _import(root, full, changes)
        _drop_others(full)
    return full


@contextmanager
def _bootstrapped(release: str, packages: Sequence[str]) -> Iterator[Path]:
    """A folder with the release and the packages, without what is never needed; removed in the end."""
    install(debootstrap="/usr/sbin/debootstrap")
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache(), prefix="debootstrap-") as temporary:
        root = Path(temporary) / "root"
        mirror = "http://deb.debian.org/debian"
        run(["debootstrap", "--variant=minbase", "--include=ca-certificates", release, root, mirror])
        # An index, for instance, is fetched in the build as it is on this machine.
        if _CA_BUNDLE.exists():
            (root / _CA_BUNDLE.relative_to("/")).write_bytes(_CA_BUNDLE.read_bytes())
        (root / "etc/resolv.conf").write_bytes(Path("/etc/resolv.conf").read_bytes())
        options = ["-y", "-qq", "--no-install-recommends"]
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "DEBIAN_FRONTEND": "noninteractive",
            "LC_ALL": "C",
        }
        run(["chroot", root, "apt-get", "install", *options, *packages], environment=environment)
        for waste in _WASTE:
            run(["rm", "-rf", root / waste])
        (root / "etc/resolv.conf").write_text("")
        yield root


def _import(root: Path, name: str, changes: Sequence[str]) -> None:
    options = [word for change in changes for word in ("--change", change)]
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
        command = ["podman", "import", *options, "-", name]
        done = subprocess.run(
            command, stdin=tar.stdout, env=podman().environment, capture_output=True, text=True, check=False
        )
    if tar.returncode or done.returncode:
        raise ClusterError(f"podman import {name} failed: {done.stderr[-2000:]}")


def _drop_others(name: str) -> None:
    """Removes what was made under this name before."""
    repository = name.rpartition(":")[0]
    for other in podman()("images", "--format", "{{.Repository}}:{{.Tag}}", repository).split():
        if other != name:
            podman().succeeds("rmi", other)
