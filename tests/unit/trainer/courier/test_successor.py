"""While a process trains it is told what follows: its successor, or another member that waits for its slot."""

import threading
from collections.abc import Callable

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.records import Birth, Cause, Claim
from pbt_trainer.courier import pace
from pbt_trainer.courier.messages import Failed, Look, Offer, Replaced, Take, Taken, Uploaded
from simulation.memory_store import MemoryStore
from unit.trainer.conversation import Conversation, Flaky, asked, begun, born, report, store, talk
from unit.trainer.population import until

__all__ = ["store", "talk"]


def test_after_a_report_it_looks_so_often_and_not_after_a_save(
    store: Flaky, talk: Callable[..., Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "QUICK_SECONDS", 0.001)
    looked, enough = [], threading.Event()

    def read(key: str) -> bytes:
        if key == keys.birth(0, 2):
            looked.append(key)
            if len(looked) == pace.QUICK_LOOKS:
                enough.set()
        return MemoryStore.read(store, key)

    monkeypatch.setattr(store, "read", read)
    conversation = talk(watch=True, poll_seconds=3600.0)
    begun(conversation)
    conversation.upload(replace(report(step=2), round=None))
    conversation.hear(Uploaded)
    assert looked == []
    conversation.upload(report())
    conversation.hear(Uploaded)
    assert enough.wait(60)
    conversation.upload(report(step=8))  # costs as many again, and both together no more
    conversation.hear(Uploaded)
    until(lambda: len(looked) >= 2 * pace.QUICK_LOOKS)
    assert len(looked) == 2 * pace.QUICK_LOOKS


@pytest.mark.parametrize("cause", [Cause.RESUME, Cause.CRASH, Cause.REMOVED])
def test_a_process_that_was_given_up_is_told_so(
    store: Flaky, talk: Callable[..., Conversation], cause: Cause
) -> None:
    conversation = talk(watch=True)
    begun(conversation)
    born(store, 2, cause)
    assert conversation.hear(Replaced).reason == "incarnation 2 was born: a test"


def test_a_successor_that_cannot_be_read_is_left_to_a_new_pod(
    store: Flaky, talk: Callable[..., Conversation], caplog: pytest.LogCaptureFixture
) -> None:
    store.put(keys.birth(0, 2), b'{"format": 99}')
    conversation = talk(watch=True)
    begun(conversation)
    until(lambda: "incarnation 2 can't be taken over" in caplog.text)
    conversation.channel.send(Look())
    assert conversation.hear(Failed).error == "NewerFormat"


def test_a_member_that_waits_is_offered_and_then_watched(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    conversation = talk(watch=True, shares=True)
    begun(conversation)
    asked(store)
    offer: Offer = conversation.hear(Offer)
    assert (offer.birth.member, offer.birth.incarnation, offer.report) == (7, 1, None)
    conversation.channel.send(Take(member=7, incarnation=1))
    assert conversation.hear(Taken).won
    later = Birth(member=7, incarnation=2, cause=Cause.EXPLOIT, hyperparameters={}, reason="")
    store.put(keys.birth(7, 2), encode(later))
    assert conversation.hear(Offer).birth == later


def loses_the_birth_that_is_asked_for(
    conversation: Conversation, store: Flaky, talk: Callable[..., Conversation]
) -> None:
    """Its process is asked to go on as member 7, whose own pod takes the birth first."""
    begun(conversation)
    asked(store)
    conversation.hear(Offer)
    begun(talk(member=7, nonce="the new pod"))
    conversation.channel.send(Take(member=7, incarnation=1))
    assert conversation.hear(Taken).won is False


def test_whoever_loses_another_members_birth_is_still_told_of_its_own(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    conversation = talk(watch=True, shares=True)
    loses_the_birth_that_is_asked_for(conversation, store, talk)
    assert born(store, 2, Cause.EXPLOIT) == conversation.hear(Offer).birth


def test_whoever_loses_another_members_birth_can_be_asked_again(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    conversation = talk(watch=False, shares=True)
    loses_the_birth_that_is_asked_for(conversation, store, talk)
    asked(store, member=8, number=2)
    assert conversation.hear(Offer).birth.member == 8
    conversation.channel.send(Take(member=8, incarnation=1))
    assert conversation.hear(Taken).won


def test_requests_are_told_in_their_order_though_none_is_taken(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    """Also those that came to nothing before they were found: the newest is told last, and is the one that stays."""
    for number, member in ((1, 7), (2, 8)):
        asked(store, member=member, number=number)
    conversation = talk(watch=False, shares=True)
    begun(conversation)
    assert [conversation.hear(Offer).birth.member for _ in range(2)] == [7, 8]
    asked(store, member=9, number=3)
    assert conversation.hear(Offer).birth.member == 9


def test_a_request_that_cannot_be_followed_hides_no_later_one(
    store: Flaky, talk: Callable[..., Conversation], caplog: pytest.LogCaptureFixture
) -> None:
    store.put(keys.yielded(0, 1), b"{}")
    asked(store, member=8, number=2)
    conversation = talk(watch=False, shares=True)
    begun(conversation)
    assert conversation.hear(Offer).birth.member == 8
    assert caplog.text.count("can't be taken over by this process") == 1


def test_after_the_last_request_that_a_life_can_get_none_is_looked_for(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    read, asked_for = store.read, list[str]()

    def counted(key: str) -> bytes:
        asked_for.append(key)
        return read(key)

    for number in range(1, keys.MOST_REQUESTS + 1):
        asked(store, member=6 + number, number=number)
    conversation = talk(watch=True, shares=True)
    begun(conversation)
    for number in range(1, keys.MOST_REQUESTS + 1):
        assert conversation.hear(Offer).birth.member == 6 + number
    store.read = counted  # type: ignore[method-assign]
    until(lambda: asked_for.count(keys.birth(0, 2)) > 5)
    store.read = read  # type: ignore[method-assign]
    assert set(asked_for) == {keys.birth(0, 2)}


def test_a_claim_says_how_many_requests_its_process_looks_for(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    for incarnation, shares, told in ((1, True, keys.MOST_REQUESTS), (2, False, UNSET)):
        born(store, incarnation)
        begun(talk(incarnation=incarnation, shares=shares))
        key = keys.claim(0, incarnation)
        assert decode(Claim, store.read(key), key=key).requests == told


def test_its_own_next_birth_is_told_after_an_offer_that_nobody_took(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    conversation = talk(watch=True, shares=True)
    begun(conversation)
    asked(store)
    assert conversation.hear(Offer).birth.member == 7
    born(store, 2, Cause.RESUME)
    conversation.hear(Replaced)


@pytest.mark.parametrize(("shares", "each"), [(False, 1), (True, 2)])
def test_a_look_costs_one_request_and_one_more_where_slots_are_shared(
    store: Flaky, talk: Callable[..., Conversation], *, shares: bool, each: int
) -> None:
    read, asked_for = store.read, list[str]()

    def counted(key: str) -> bytes:
        asked_for.append(key)
        return read(key)

    conversation = talk(watch=True, shares=shares)
    begun(conversation)
    store.read = counted  # type: ignore[method-assign]
    until(lambda: asked_for.count(keys.birth(0, 2)) > 5)
    looks = asked_for.count(keys.birth(0, 2))
    store.read = read  # type: ignore[method-assign]
    assert looks * each - 1 <= len(asked_for) <= (looks + 1) * each
    assert set(asked_for) <= {keys.birth(0, 2), keys.yielded(0, 1)}
