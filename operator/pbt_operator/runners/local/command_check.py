"""What can be seen of a trainer's command before anything is started: whether its program and its script are there."""

import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pbt_operator.core.wire import Path as FieldPath
from pbt_operator.core.wording import shown
from pbt_operator.manifest.errors import ManifestError, Problem
from pbt_operator.manifest.template import CONTAINERS, containers_of, trainer_index

_PYTHON = re.compile(r"python[\d.]*")
_TAKES_VALUE = "WX"  # of Python's own options
_LAUNCHERS = {"torchrun", "accelerate", "deepspeed"}
_LAUNCHING_MODULES = {"torch.distributed.run", "torch.distributed.launch", "accelerate.commands.launch"}
_FIRST_BYTES = 256
_UNKNOWN = "$("  # a reference to what only the process of a member is told


def check_command(
    template: Mapping[str, Any], *, command: Sequence[str], directory: str, path: str, source: str
) -> None:
    """Makes sure that this machine has what a command starts, as far as that is sure.

    Args:
        template: `spec.template`, where the words of the command are written.
        command: these words, with references replaced.
        directory: where it runs.
        path: the variable PATH that it is started with.
        source: what the message calls the manifest.

    Raises:
        ManifestError: the program or the script is missing, or isn't one.
    """
    wrong = dict(_wrong(command, Path(directory), path))
    if wrong:
        problems = [Problem(_place(template, number), told) for number, told in sorted(wrong.items())]
        raise ManifestError(source, problems)


def _wrong(command: Sequence[str], directory: Path, path: str) -> Iterator[tuple[int, str]]:
    """What is wrong with which word."""
    if _UNKNOWN in command[0]:
        return
    program = _program(command[0], directory, path)
    told = program if isinstance(program, str) else _first_line(program, path)
    if told:
        yield 0, f"is {shown(command[0])}; {told}"
    number = _script(command)
    if (
        number is not None
        and _UNKNOWN not in command[number]
        and (told := _unreadable(command[number], directory))
    ):
        yield number, f"is {shown(command[number])}; {told}"


def _program(word: str, directory: Path, path: str) -> Path | str:
    """The file that would be started; or why there is none."""
    first, *others = word.split() or [""]
    if "/" in word:
        found = directory / word
        if found.is_dir():
            return "that is a folder; should be a program"
        if found.exists():
            return found if os.access(found, os.X_OK) else _not_executable(word)
        missing = f"there is no such file {_seen_from(word, directory)}"
    else:
        program = shutil.which(word, path=path) if word else None
        if program is not None:
            return directory / program
        if word and (directory / word).is_file():
            return f"the PATH has no such program; should be ./{word}, or its interpreter and {word}"
        missing = "this machine has no such program on its PATH"
    if others and shutil.which(first, path=path):
        words = ", ".join([first, *others])
        return f"{missing}; should be a word for each argument, command: [{words}]"
    return f"{missing}; should be one that is there, such as python, or be installed where pbt runs"


def _not_executable(word: str) -> str:
    interpreter = "python" if word.endswith(".py") else "its interpreter"
    return f"that file is not executable; should come after {interpreter}, or be made executable: chmod +x {word}"


def _first_line(program: Path, path: str) -> str:
    """Why the interpreter that a script names in its first line can't start it."""
    try:
        with program.open("rb") as file:
            head = file.read(_FIRST_BYTES)
    except OSError:  # a program needn't be readable
        return ""
    line = head.partition(b"\n")[0]
    if not line.startswith(b"#!"):
        is_text = b"\0" not in head
        return (
            "that is a text that names no interpreter in its first line; should come after one"
            if is_text
            else ""
        )
    if line.endswith(b"\r"):
        return "its lines end as Windows has them, which hides its interpreter; should be saved with Unix line ends"
    interpreter, *words = line[2:].decode(errors="replace").split() or [""]
    if not Path(interpreter).exists():
        return f"its first line names {shown(interpreter)}, which isn't there; should name one that is"
    is_env = Path(interpreter).name == "env" and words and words[0][0] != "-" and "=" not in words[0]
    if is_env and shutil.which(words[0], path=path) is None:
        return f"its first line asks for {shown(words[0])}, which isn't on the PATH; should be installed where pbt runs"
    return ""


def _script(command: Sequence[str]) -> int | None:
    """Which word surely is a script: after Python and its options, or the first of a launcher of Python scripts."""
    name = Path(command[0]).name
    if name in _LAUNCHERS:
        return _first_python_file(command, 1)
    if not _PYTHON.fullmatch(name):
        return None
    number = 1
    while number < len(command):
        word = command[number]
        if not word.startswith("-"):
            return number
        options = word.lstrip("-") if not word.startswith("--") else ""
        if word == "-" or "c" in options:
            return None
        if "m" in options:
            module = options.partition("m")[2] or next(iter(command[number + 1 :]), "")
            return _first_python_file(command, number + 1) if module in _LAUNCHING_MODULES else None
        takes = word == "--check-hash-based-pycs" or (options and options[-1] in _TAKES_VALUE)
        number += 2 if takes else 1
    return None


def _first_python_file(command: Sequence[str], begin: int) -> int | None:
    files = (number for number in range(begin, len(command)) if command[number].endswith(".py"))
    return next((number for number in files if not command[number].startswith("-")), None)


def _unreadable(word: str, directory: Path) -> str:
    """Why Python can't start a script; empty where it can."""
    script = directory / word
    try:
        mode = script.stat().st_mode
    except PermissionError:
        return "it may not be read; should be readable by who starts pbt"
    except (OSError, ValueError):
        return f"there is no such script {_seen_from(word, directory)}"
    if stat.S_ISDIR(mode):
        has_main = (script / "__main__.py").exists()
        return "" if has_main else "that is a folder without a __main__.py; should be a script"
    return "" if os.access(script, os.R_OK) else "it may not be read; should be readable by who starts pbt"


def _seen_from(word: str, directory: Path) -> str:
    if Path(word).is_absolute():
        return "on this machine; should be the path of one"
    return (
        f"in {directory}, where the command runs; should be seen from there: start pbt in another folder, or give "
        "workingDir or the whole path"
    )


def _place(template: Mapping[str, Any], number: int) -> FieldPath:
    """Where the manifest has a word of the command."""
    containers = containers_of(template) or []
    index = trainer_index(containers) or 0
    words = containers[index].get("command") or ()
    if number < len(words):
        return (*CONTAINERS, index, "command", number)
    return (*CONTAINERS, index, "args", number - len(words))
