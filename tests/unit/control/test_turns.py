"""A cluster grants fewer pods than members: they take turns in the slots that there are, and what waits is demand."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from msgspec import UNSET
from msgspec.structs import replace as replace_birth

from fixtures.decided import decisions
from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.keys import Life
from pbt_contract.records import Cause, Claim
from pbt_contract.yields import Yield
from pbt_operator.control.look import Seen, look_at_pods
from pbt_operator.control.occupancy import asked_for, has_left, lived, next_request
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.status import PopulationPhase
from pbt_operator.records import audit
from pbt_operator.records.archive import Archive, read_archive
from pbt_operator.records.claims import claimed_lives
from pbt_trainer.courier.incarnation import Incarnation
from simulation import Simulation
from simulation.pods import Durations, SimulatedTrainer

MEMBERS, PLACES = 6, 4
QUORUM_75 = {**DETERMINISTIC["schedule"], "quorumPercent": 75}


def simulation(places: int = PLACES, **changes: object) -> Simulation:
    changes = {"members": MEMBERS, "restart": "InPlace", **changes}
    run = Simulation(spec(DETERMINISTIC, **changes), Deterministic(), durations=Durations(step=lambda _: 5.0))
    run.pods.places = places
    return run


def told(run: Simulation) -> Archive:
    found = read_archive(run.store)
    assert audit.violations(run.store, found) == []
    return found


def there(run: Simulation) -> list[Pod]:
    return [pod for pod in run.pods.observe() if not pod.ended]


@pytest.mark.parametrize(
    ("places", "restart"), [(1, "InPlace"), (2, "InPlace"), (4, "InPlace"), (5, "InPlace"), (1, "Recreate")]
)
def test_decisions_are_the_same_with_and_without_a_shortage(places, restart):
    short, whole = simulation(places, restart=restart).run(), simulation(MEMBERS, restart=restart).run()
    found = told(short)
    assert decisions(found.rounds) == decisions(told(whole).rounds)
    assert found.status().phase is PopulationPhase.COMPLETE
    assert not list(whole.store.names(keys.YIELDS))


@pytest.mark.parametrize(("places", "restart"), [(2, "InPlace"), (4, "InPlace"), (4, "Recreate")])
def test_no_slot_is_given_back_and_the_demand_stays(places, restart):
    """Under Recreate neither for a turn nor for what follows an exploit: the process runs its command again."""
    run = simulation(places, restart=restart)
    while not run.ended:
        run.step()
        if run.repository.history.decided >= 18 or run.last is None or run.last.outcome is not None:
            continue
        pods = there(run)
        assert len(pods) == MEMBERS
        assert sum(pod.placed_for is not None for pod in pods) == places
    assert run.pods.num_started <= MEMBERS + places  # those that end in the last rounds make room
    whose = [decode(Yield, run.store.read(key), key=key) for key in run.store.names(keys.YIELDS)]
    assert any(asked.to.member != asked.member for asked in whose)
    assert any(asked.to.member == asked.member for asked in whose) is (restart == "Recreate")
    assert not [event for event in run.events if event.reason in {"StartedAnew", "TakeoverLate"}]


def test_below_quorum_100_every_round_is_decided_by_its_quorum():
    run = simulation(schedule=QUORUM_75).run()
    found = told(run)
    assert [decided.number for decided in found.rounds] == list(range(1, 21))
    assert all(len(decided.entries) >= 5 for decided in found.rounds)
    assert found.status().steps.discarded < 0.25 * found.status().steps.productive


def test_everybody_has_a_pod_of_its_own_as_soon_as_there_is_room():
    run = simulation(2)
    while run.repository.history.decided < 5:
        run.step()
    run.pods.places = MEMBERS
    began = run.time.now
    while len({pod.member for pod in there(run) if pod.phase is Phase.RUNNING}) < MEMBERS:
        run.step()
    assert run.time.now - began < 30.0
    yields = len(list(run.store.names(keys.YIELDS)))
    run.run()
    assert decisions(told(run).rounds) == decisions(told(simulation(MEMBERS).run()).rounds)
    assert len(list(run.store.names(keys.YIELDS))) <= yields + 1


def test_room_that_comes_and_goes_changes_no_decision():
    chance, run = Random(3), simulation(3)
    while not run.ended:
        run.step()
        if chance.random() < 0.02:
            run.pods.places = chance.randint(1, MEMBERS)
            running = [pod for pod in there(run) if pod.phase is Phase.RUNNING]
            for pod in running[run.pods.places :]:  # whoever gave the room takes it back
                run.pods.stop(pod)
    assert decisions(told(run).rounds) == decisions(told(simulation(MEMBERS).run()).rounds)


@pytest.mark.parametrize(
    ("passes", "restart"), [(1, "InPlace"), (3, "InPlace"), (7, "InPlace"), (3, "Recreate")]
)
def test_an_operator_that_begins_anew_during_a_shortage_changes_nothing(passes, restart):
    run, done = simulation(restart=restart), 0
    while not run.ended:
        if done % passes == 0:
            run.operator_restarts()
        run.step()
        done += 1
    assert decisions(told(run).rounds) == decisions(told(simulation(MEMBERS).run()).rounds)


@pytest.mark.parametrize("restart", ["InPlace", "Recreate"])
@pytest.mark.parametrize("yields", [True, False], ids=["turns are taken", "nobody makes room"])
def test_passes_of_few_reads_come_to_an_end_during_a_shortage(monkeypatch, restart, yields):
    """Whom each process was asked to go on as, and whether it makes room, takes reads in each of them."""
    monkeypatch.setattr(SimulatedTrainer, "yields", yields)
    changes = {"members": MEMBERS, "restart": restart, "exploit": {"truncation": {"percent": 50}}}
    run = Simulation(
        spec(
            DETERMINISTIC, **changes, schedule={**QUORUM_75, "totalSteps": 50, "stragglerTimeoutSeconds": 100}
        ),
        Deterministic(),
        durations=Durations(step=lambda _: 5.0),
        allowance=lambda: Allowance(reads=1),
    )
    run.pods.places, passes = PLACES, 0
    while not run.ended:
        if yields and passes % 20 == 0 and not (run.last is not None and run.last.concludes):
            run.operator_restarts()
        run.step()
        passes += 1
    found = told(run)
    assert found.status().phase is PopulationPhase.COMPLETE
    assert bool(list(run.store.names(keys.YIELDS))) is yields


@pytest.mark.parametrize(("what", "value"), [("ranks", 2), ("yields", False)])
@pytest.mark.parametrize("restart", ["InPlace", "Recreate"])
def test_who_can_not_go_on_as_another_member_keeps_its_slot(monkeypatch, what, value, restart):
    """Several ranks, and processes whose claims don't say that they look for requests."""
    monkeypatch.setattr(SimulatedTrainer, what, value)
    schedule = {**QUORUM_75, "stragglerTimeoutSeconds": 100}
    run = simulation(schedule=schedule, restart=restart, exploit={"none": {}}).run()
    found = told(run)
    assert not list(run.store.names(keys.YIELDS))
    assert not [event for event in run.events if event.reason == "Yielded"]
    assert found.status().phase is PopulationPhase.COMPLETE
    assert Counter(len(decided.entries) for decided in found.rounds)[PLACES] >= 15  # the others are given up


def test_a_pod_that_waits_for_another_birth_gets_a_member_that_was_not_started_just_now(monkeypatch):
    """Members 1 and 3 wait, one slot is free, and the pod that was to be member 0's, which runs elsewhere, is idle."""
    run = Simulation(spec(DETERMINISTIC, members=4, restart="InPlace"), Deterministic())
    while not run.repository.history.members:
        run.reconciler._decisions.scale(run.spec)
    started, readdressed = list[int](), list[int]()
    monkeypatch.setattr(run.pods, "start", lambda birth: started.append(birth.member))
    monkeypatch.setattr(run.pods, "readdress", lambda _pod, birth: readdressed.append(birth.member))
    live = {m: Pod(name=f"{m}", uid=f"{m}", member=m, incarnation=1, phase=Phase.RUNNING) for m in (0, 2)}
    idle = Pod(name="idle", uid="idle", member=0, incarnation=1, phase=Phase.PENDING)
    run.reconciler._placement._fill(Seen(live, [], [idle]), {}, run.spec, Allowance())
    assert (started, readdressed) == ([1], [3])


def test_where_each_member_that_waits_has_a_pod_nobody_gets_a_second_one(monkeypatch):
    """Members 1 and 2 wait, each with a pod, member 0's process was asked to go on as 3: a slot is free of asking."""
    run = Simulation(spec(DETERMINISTIC, members=4, restart="InPlace"), Deterministic())
    while not run.repository.history.members:
        run.reconciler._decisions.scale(run.spec)
    started = list[int]()
    monkeypatch.setattr(run.pods, "start", lambda birth: started.append(birth.member))
    monkeypatch.setattr(run.pods, "readdress", lambda _pod, _birth: None)
    live = {0: Pod(name="0", uid="0", member=0, incarnation=1, phase=Phase.RUNNING)}
    demand = [Pod(name=f"{m}", uid=f"{m}", member=m, incarnation=1, phase=Phase.PENDING) for m in (1, 2)]
    run.reconciler._placement._fill(
        Seen(live, [], demand), {0: Life(member=3, incarnation=1)}, run.spec, Allowance()
    )
    assert started == []
    run.reconciler._placement._fill(
        Seen(live, [], demand[:1]), {0: Life(member=3, incarnation=1)}, run.spec, Allowance()
    )
    assert started == [2]


def beside_its_members_own(run: Simulation, monkeypatch: pytest.MonkeyPatch, *, is_late: bool) -> Seen:
    """Member 0's pod lives its second birth; another one runs as its first, whose claim a third process may have."""
    while not run.repository.history.members:
        run.reconciler._decisions.scale(run.spec)
    own = run.repository.birth(0, 1)
    following = replace_birth(own, incarnation=2, cause=Cause.EXPLOIT, source=None, round=1)
    run.reconciler._recorder.births([following])
    if is_late:
        third = Incarnation(run.store, member=0, incarnation=1, pod="third", nonce="third")
        third.open()
        assert third.claim()
    lives = {"0": following.life, "beside": own.life, "2": Life(2, 1)}
    shown = [
        Pod(name=uid, uid=uid, member=life.member, incarnation=life.incarnation, phase=Phase.RUNNING)
        for uid, life in lives.items()
    ]
    run.repository.claims.begin_pass()
    monkeypatch.setattr(run.pods, "observe", lambda: shown)
    return look_at_pods(run.pods, run.repository, late=())


@pytest.mark.parametrize("is_late", [False, True])
def test_a_pod_beside_its_members_own_holds_a_slot_until_it_has_ended(monkeypatch, is_late):
    """Members 1 and 3 wait, and three of four slots are taken. Who is late finds that out and leaves unasked."""
    run = Simulation(spec(DETERMINISTIC, members=4, restart="InPlace"), Deterministic())
    started, stopped = list[int](), list[str]()
    monkeypatch.setattr(run.pods, "start", lambda birth: started.append(birth.member))
    monkeypatch.setattr(run.pods, "stop", lambda pod: stopped.append(pod.uid))
    seen = beside_its_members_own(run, monkeypatch, is_late=is_late)
    assert stopped == ([] if is_late else ["beside"])
    run.reconciler._placement._fill(seen, {}, run.spec, Allowance())
    assert started == [1]
    run.reconciler._placement.clear(seen, run.spec, ended=True)
    assert set(stopped) == {"0", "beside", "2"}


def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes say that they look for requests, and don't."""
    monkeypatch.setattr(SimulatedTrainer, "_look_for_successor", lambda _: None)


def test_who_is_asked_and_does_not_go_on_keeps_its_slot_and_is_no_turn_to_wait_for(monkeypatch):
    deaf(monkeypatch)
    schedule = {**QUORUM_75, "stragglerTimeoutSeconds": 100}
    run, turns, started = simulation(schedule=schedule, exploit={"none": {}}), set(), set()
    while not run.ended:
        run.step()
        turns.add(run.last and run.last.takes_turns)
        if run.repository.history.decided < 18:
            started.add(run.pods.num_started)
    late = [event for event in run.events if event.reason == "TakeoverLate"]
    assert len({event.member for event in late}) == len(late) == PLACES
    assert all(
        event.message.endswith("it keeps its pod, for there is no room for another one") for event in late
    )
    assert max(started) == MEMBERS
    assert turns >= {True, False}
    assert told(run).status().phase is PopulationPhase.COMPLETE


@pytest.mark.parametrize("restart", ["InPlace", "Recreate"])
def test_a_process_that_does_not_take_what_follows_its_life_is_stopped(monkeypatch, restart):
    """Else it would train a life that is over."""
    deaf(monkeypatch)
    run = simulation(schedule={**QUORUM_75, "stragglerTimeoutSeconds": 100}, restart=restart).run()
    late = [event.message for event in run.events if event.reason == "TakeoverLate"]
    assert any("didn't swap to incarnation" in message for message in late)
    assert told(run).status().phase is PopulationPhase.COMPLETE


def test_at_quorum_100_those_that_cannot_take_turns_wait_for_room_and_decide_the_same(monkeypatch):
    monkeypatch.setattr(SimulatedTrainer, "yields", False)
    schedule = {**DETERMINISTIC["schedule"], "stragglerTimeoutSeconds": 100}
    run = simulation(4, schedule=schedule)
    while run.time.now < 2_000:
        run.step()
    assert run.repository.history.decided == 0
    assert run.last is not None
    assert run.last.takes_turns is False
    run.pods.places = MEMBERS
    run.run()
    assert decisions(told(run).rounds) == decisions(told(simulation(MEMBERS).run()).rounds)


def test_members_are_waited_for_where_room_comes_bit_by_bit():
    """A pod gets a place now and then, so that no shortage lasts for a minute."""
    run = simulation(2, schedule={**QUORUM_75, "stragglerTimeoutSeconds": 30})
    while run.repository.history.decided < 1:
        if run.time.now > run.pods.places * 50 - 60 and run.pods.places < MEMBERS:
            run.pods.places += 1
        run.step()
    assert len(run.repository.history.newest_round.entries) >= 5


def test_a_process_that_started_as_its_labels_changed_lives_what_it_claimed():
    run = simulation()
    while not (begun := [pod for pod in there(run) if run.repository.claims.knows(pod.life)]):
        run.step()
    pod = begun[0]
    assert pod.phase is Phase.RUNNING
    waits = Life(MEMBERS - 1, 1)
    for former in ((pod.life,), (waits, pod.life)):
        for now in (
            Life(pod.member, pod.incarnation + 2),
            waits,
        ):  # its member's next one, or another member's
            labelled = replace(pod, member=now.member, incarnation=now.incarnation, readdressed=former)
            assert lived(run.repository, labelled) == replace(pod, readdressed=former)
            for other in (replace(labelled, uid="another"), replace(labelled, phase=Phase.PENDING)):
                assert lived(run.repository, other) == other


def test_a_process_that_goes_on_as_another_member_during_the_pass_is_not_stopped():
    """Its former member was reborn meanwhile: by what the pass saw before, the process lives a life that is over."""
    run, asked = simulation(restart="Recreate"), list[tuple[Pod, Life]]()
    while not asked:
        run.step()
        seen = look_at_pods(run.pods, run.repository, late=())
        found = ((pod, asked_for(run.repository, pod)) for pod in seen.live.values())
        asked = [(pod, to) for pod, to in found if to is not None and to.member != pod.member]
    pod, to = asked[0]
    own = run.repository.birth(*pod.life)
    following = replace_birth(own, incarnation=own.incarnation + 1, cause=Cause.EXPLOIT, source=None, round=1)
    run.reconciler._recorder.births([following])
    while keys.claim(*to) not in run.store.names(keys.CLAIMS):
        run.time.advance()
    run.repository.claims.begin_pass()
    run.reconciler._placement.place(seen, run.spec, Allowance())
    assert [one.stopping for one in run.pods.observe() if one.uid == pod.uid] == [False]


def asked_in_vain(run: Simulation) -> tuple[Pod, Life]:
    """A process that was asked to go on with a birth, and the birth, which another process has claimed first."""
    found = list[tuple[Pod, Life]]()
    while not found:
        run.step()
        run.passes()
        found = [(pod, to) for pod in there(run) if (to := asked_for(run.repository, pod)) is not None]
    pod, to = found[0]
    assert to.member != pod.member
    claim = Claim(
        member=to.member, incarnation=to.incarnation, pod="collected", nonce="its pod had got a place"
    )
    assert run.store.create(claim.key, encode(claim)) == encode(claim)
    return pod, to


@pytest.mark.parametrize("restarts", [False, True], ids=["one operator", "another one in each pass"])
@pytest.mark.parametrize("restart", ["InPlace", "Recreate"])
def test_a_process_that_was_asked_in_vain_is_asked_again(restart, restarts):
    """Where it has the only slot nobody else could make room, ever."""
    run = simulation(1, restart=restart)
    pod, lost = asked_in_vain(run)
    until = run.time.now + 1_000
    while (found := lived(run.repository, pod)) == pod:
        assert run.time.now < until
        if restarts:
            run.operator_restarts()
        run.step()
    key = keys.yielded(*pod.life, 2)
    assert decode(Yield, run.store.read(key), key=key).to.life == found.life != lost
    assert keys.yielded(*pod.life, 3) not in run.store.names(keys.YIELDS)
    assert not [event for event in run.events if event.reason == "TakeoverLate"]
    told(run)


def test_a_process_is_asked_again_as_often_as_its_claim_says_and_only_where_it_has_no_choice():
    run = simulation(1)
    pod, to = asked_in_vain(run)
    assert next_request(run.repository, pod) is None  # as far as this operator knows, it may still follow
    run.repository.claims.begin_pass()
    assert next_request(run.repository, pod) == (*pod.life, 2)
    assert asked_for(run.repository, pod) is None
    own = run.repository.claim(run.repository.birth(*pod.life))
    for requests, number in ((UNSET, None), (1, None), (2, 2), (10**9, 2)):
        run.repository.claims._claims[pod.life] = replace_birth(own, requests=requests)
        assert next_request(run.repository, pod) == (number and (*pod.life, number))
    mine = run.repository.claim(run.repository.birth(*to))
    for claim, number in ((replace_birth(mine, pod=pod.uid), None), (replace_birth(mine, void=True), 2)):
        run.repository.claims._claims[to] = claim
        assert next_request(run.repository, pod) == (number and (*pod.life, number))


def test_a_second_operator_learns_what_a_process_was_asked_again_and_follows():
    """It knew of the first request only; the labels still say whose process it was."""
    run = simulation(1)
    pod, _ = asked_in_vain(run)
    other = simulation(1)
    other.store, other.pods, other.time = run.store, run.pods, run.time
    other.operator_restarts()
    assert asked_for(other.repository, pod) is None
    while run.repository.yields.number(pod.life) < 2:
        run.step()
    again = run.repository.yields.ask(*pod.life)
    while again not in claimed_lives(run.store):
        run.time.advance()
    assert lived(other.repository, pod).life == pod.life
    assert lived(other.repository, pod, ask=True).life == again
    assert has_left(other.repository, pod.life, pod.uid)


@pytest.mark.parametrize("is_known", [True, False])
def test_a_pod_whose_process_has_begun_waits_for_no_place_whatever_the_watch_shows(monkeypatch, is_known):
    """Else another process is asked to go on as its member, which has been reborn: two live it then."""
    run = simulation()
    while not run.last or not run.last.takes_turns:
        run.step()
    trainer = next(one for one in run.pods._trainers.values() if one.pod.phase is Phase.RUNNING)
    late = replace(trainer.pod, phase=Phase.PENDING, unplaced_for=90.0)
    own = run.repository.birth(*late.life)
    following = replace_birth(own, incarnation=own.incarnation + 1, cause=Cause.EXPLOIT, source=None, round=1)
    run.reconciler._recorder.births([following])
    if not is_known:
        run.repository.claims.forget(late.life)
    shown = [late if pod.uid == late.uid else pod for pod in run.pods.observe()]
    monkeypatch.setattr(run.pods, "observe", lambda: shown)
    seen = look_at_pods(run.pods, run.repository, late=())
    assert seen.live[late.member].uid == late.uid
    assert late.uid not in {pod.uid for pod in seen.demand}


def test_a_smaller_parallelism_ends_the_demand_first():
    run = simulation(3)
    while run.repository.history.decided < 3:
        run.step()
    run.reconciler.replace_spec(replace(run.spec, parallelism=3), 1)
    run.step()
    run.step()
    assert len(there(run)) == 3
    run.run()
    told(run)


def test_who_never_got_a_place_is_over_with_the_population():
    run = simulation(2, activeDeadlineSeconds=400).run()
    assert there(run) == []
    assert told(run).status().reason == "DeadlineExceeded"


@pytest.mark.parametrize("seed", [7, 109])
def test_no_slot_is_given_back_as_long_as_a_pod_has_no_place(seed):
    """A place that comes ends the shortage for a minute: what is given back then, another tenant may take as well."""
    chance, run = Random(seed), simulation(1)
    for places in range(1, MEMBERS):
        run.pods.places, until = places, run.time.now + chance.uniform(20, 130)
        while run.time.now < until and run.repository.history.decided < 17:
            run.step()
            pods = there(run)
            assert len(pods) == MEMBERS
            assert sum(pod.placed_for is not None for pod in pods) == places
    assert run.pods.num_started == MEMBERS
