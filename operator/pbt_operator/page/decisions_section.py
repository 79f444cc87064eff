"""Every birth with its reason, as a table: exploits, crashes, resumes, what was scaled and what failed."""

from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause
from pbt_operator.page.html import Cell, Row, section, table, text
from pbt_operator.page.incarnations import Incarnations
from pbt_operator.page.words import changes_text, life_text
from pbt_operator.records.archive import Archive

MAX_ROWS = 1500
COLUMNS = ["Round", "Step", "Member", "What", "From", "What changed", "Why"]


def decisions_section(archive: Archive, lives: Incarnations, winner: set[Life]) -> str:
    """The table with its filter."""
    births = [birth for birth in archive.births.values() if birth.cause is not Cause.INITIAL]
    births.sort(key=lambda b: (b.round or 0, b.start_step, b.member, b.incarnation))
    kept = births
    if len(births) > MAX_ROWS:
        newest = {id(birth) for birth in births[-MAX_ROWS:]}
        kept = [b for b in births if id(b) in newest or b.life in winner]
    births.sort(key=lambda b: (b.start_step, b.round or 0, b.member, b.incarnation))
    title = "Decisions"
    if not births:
        return section(title, intro="Nothing was decided: every member is still in its first life.")
    intro = (
        "Every birth after the first ones: who was replaced or went on, from which checkpoint, what explore changed "
        "and why. A star marks the winner's lineage."
    )
    if len(kept) < len(births):
        intro += f" Of {len(births):,} the newest and the winner's are listed; the others are in the store, in births/."
    names = [h.name for h in archive.spec.hyperparameters]
    rows = [_row(birth, lives, winner, names) for birth in kept]
    causes = sorted({birth.cause.value for birth in kept})
    return section(
        title,
        _filters(causes),
        '<div class="scroll tall" tabindex="0" role="region" aria-label="Decisions">',
        table(COLUMNS, rows, caption="Decisions", name="decisions"),
        "</div>",
        intro=intro,
        long=True,
    )


def _filters(causes: list[str]) -> str:
    options = "".join(f'<option value="{text(cause)}">{text(cause)}</option>' for cause in causes)
    return (
        '<div class="filters"><input id="filter-text" type="search" placeholder="Filter: member, value, word ..." '
        'aria-label="Filter by words"><select id="filter-cause" aria-label="Filter by kind">'
        f'<option value="">all kinds</option><option value="winner">winner\'s lineage</option>{options}</select>'
        '<span id="filter-count" role="status"></span></div>'
    )


def _row(birth: Birth, lives: Incarnations, winner: set[Life], names: list[str]) -> Row:
    life = lives.all.get(birth.life)
    source = birth.source
    donor = life_text(source.member, source.incarnation) if source and not birth.cause.closes else ""
    won = birth.life in winner
    return Row(
        [
            Cell("" if birth.round is None else f"{birth.round:,}", kind="n"),
            Cell(f"{birth.start_step:,}", kind="n"),
            Cell(life_text(birth.member, birth.incarnation), mark=won),
            Cell(birth.cause.value),
            Cell(donor),
            Cell(changes_text(birth, lives.before(life), names=names) if life else "", kind="long"),
            Cell(birth.reason, kind="long"),
        ],
        winner=won,
        cause=birth.cause.value,
    )
