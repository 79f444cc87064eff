"""The images that tests run: operator and trainer from the repository's Dockerfiles, MinIO and Kueue from binaries."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from kindcluster import bases
from kindcluster.engine import Engine, buildah
from kindcluster.machine import step
from programs.build import binaries

OPERATOR, TRAINER, MINIO, KUEUE = "pbt-operator:dev", "pbt-trainer:dev", "minio:dev", "kueue:dev"

_REPOSITORY = Path(__file__).resolve().parents[2]
_CPU_TORCH = """\
FROM docker.io/library/python:3.11-slim
RUN pip install --no-cache-dir torch numpy --index-url https://download.pytorch.org/whl/cpu
"""
_PROGRAM = 'FROM scratch\nCOPY program {path}\nUSER 65532:65532\nENTRYPOINT ["{path}"]\n'


def full_name(image: str) -> str:
    """What Kubernetes and the engines make of a short name."""
    return f"docker.io/library/{image}"


def build(engine: Engine, image: str) -> None:
    """Builds one of the images, as far as its sources changed.

    Raises:
        BuildError: a program can't be built.
        ClusterError: the image can't be built; the message holds the end of the log.
    """
    with step(f"building {image}"):
        _BUILDS[image](engine)


def _operator(engine: Engine) -> None:
    base = [] if engine.name == "docker" else [f"BASE={bases.python()}"]
    _bud(engine, OPERATOR, file=_REPOSITORY / "Dockerfile", context=_REPOSITORY, arguments=base)


def _trainer(engine: Engine) -> None:
    base = _cpu_torch(engine) if engine.name == "docker" else bases.torch()
    file = _REPOSITORY / "trainer_image" / "Dockerfile"
    _bud(engine, TRAINER, file=file, context=_REPOSITORY, arguments=[f"BASE={base}"])


def _cpu_torch(engine: Engine) -> str:
    with tempfile.TemporaryDirectory() as context:
        file = Path(context) / "Dockerfile"
        file.write_text(_CPU_TORCH)
        _bud(engine, "pbt-torch:dev", file=file, context=Path(context))
    return full_name("pbt-torch:dev")


def _minio(engine: Engine) -> None:
    _of_program(engine, MINIO, program="minio", path="/usr/local/bin/minio")


def _kueue(engine: Engine) -> None:
    _of_program(engine, KUEUE, program="kueue", path="/manager")  # where its chart looks for it


def _of_program(engine: Engine, image: str, *, program: str, path: str) -> None:
    """An image of nothing but a static program."""
    with tempfile.TemporaryDirectory() as context:
        shutil.copy(binaries(program)[program], Path(context) / "program")
        file = Path(context) / "Dockerfile"
        file.write_text(_PROGRAM.format(path=path))
        _bud(engine, image, file=file, context=Path(context))


def _bud(
    engine: Engine, image: str, *, file: Path, context: Path, arguments: list[str] | None = None
) -> None:
    words: list[str | Path] = ["--quiet", "--tag", full_name(image), "--file", file]
    words += [word for argument in arguments or [] for word in ("--build-arg", argument)]
    if engine.name == "docker":
        engine("build", *words, context)
    else:
        buildah("bud", "--layers", "--pull-never", *words, context)


_BUILDS: dict[str, Callable[[Engine], None]] = {
    OPERATOR: _operator,
    TRAINER: _trainer,
    MINIO: _minio,
    KUEUE: _kueue,
}
