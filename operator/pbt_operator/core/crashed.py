"""What crashed since the newest decided round, with which hyperparameters: the next round's record says it."""

from collections.abc import Iterable

from pbt_contract.records import Birth, Cause
from pbt_operator.core.history import History
from pbt_operator.core.round_record import Crashed

AFTER_CRASHES = frozenset({Cause.CRASH, Cause.REPLACE, Cause.FAILED})
"""The causes of the births that follow from crashes."""


def crashed_since(history: History) -> list[Crashed]:
    """The lives that crashed after the newest decided round, by member and incarnation."""
    births = (birth for member in history.members for birth in history.births(member))
    return crashed_after(births, history, decided=history.decided)


def crashed_after(births: Iterable[Birth], history: History, *, decided: int) -> list[Crashed]:
    """The lives after which one of these births followed, by a crash while that round was the newest decided one."""
    found = []
    for after in births:
        if after.cause not in AFTER_CRASHES or after.decided != decided:
            continue
        birth = history.birth(after.member, after.incarnation - 1)
        if birth is not None:
            crashed = Crashed(
                member=birth.member,
                incarnation=birth.incarnation,
                hyperparameters=birth.hyperparameters,
                blamed=after.cause is Cause.REPLACE,
            )
            found.append(crashed)
    return sorted(found, key=lambda crashed: crashed.life)
