"""Whether the store refuses the trainers of a population that has recorded nothing."""

from dataclasses import replace

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from pbt_contract.errors import ExitCode
from pbt_operator.core.denied import is_refused, refusal_of
from pbt_operator.core.end_record import End
from pbt_operator.core.history import History
from pbt_operator.manifest.population import to_core

SPEC = to_core(spec({**DETERMINISTIC, "members": 4}))
WORDS = "File x | giving up on the store: s3://b/p: AccessDenied; grant trainers s3:GetObject"


def refused(member: int, *, pod: str = "") -> End:
    return End(
        member=member, incarnation=1, pod=pod or f"p{member}", exit_code=ExitCode.ACCESS, message=WORDS
    )


def outcome(*ends: End, members: int = 4) -> str | None:
    found = refusal_of(History(), replace(SPEC, members=members), refused={end.member: end for end in ends})
    return None if found is None else f"{found.phase}: {found.reason}: {found.message}"


def test_the_second_member_that_is_refused_ends_it_with_the_remedy():
    assert outcome(refused(2)) is None
    assert outcome(refused(2), refused(0)) == (
        "Failed: TrainersRefused: the store refuses members 0, 2, and nobody has recorded anything: "
        "giving up on the store: s3://b/p: AccessDenied; grant trainers s3:GetObject"
    )
    assert outcome(refused(0), members=1) is not None


def test_a_member_that_is_no_more_or_that_had_the_same_pod_does_not_count():
    assert outcome(refused(2), refused(4)) is None
    assert outcome(refused(2, pod="p"), refused(3, pod="p")) is None


@pytest.mark.parametrize("fate", ["hung", "stopped", "disrupted"])
def test_who_was_ended_by_something_else_was_not_refused(fate):
    end = refused(0)
    assert is_refused(end)
    assert not is_refused(End(**{**{n: getattr(end, n) for n in end.__struct_fields__}, fate: True}))
    assert not is_refused(
        End(**{**{n: getattr(end, n) for n in end.__struct_fields__}, "exit_code": ExitCode.STORAGE})
    )
