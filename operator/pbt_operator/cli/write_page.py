"""`pbt report`: the HTML page."""

from pathlib import Path

from pbt_operator.cli.output import Mistake, file_stem, read_population, say, whole_file
from pbt_operator.page import page


def write_report(location: str, *, to: Path | None) -> None:
    """Writes the page, whole or not at all.

    Raises:
        Mistake: the target is a folder.
    """
    archive = read_population(location)
    target = to or Path(f"{file_stem(archive)}-report.html")
    if target.is_dir():
        raise Mistake(
            f"{target} is a folder; name a file in it, such as {target / f'{file_stem(archive)}.html'}"
        )
    with whole_file(target) as incoming:
        incoming.write_text(page(archive), encoding="utf-8")
    say(f"wrote {target.resolve()}")
