"""The law of pods: whatever happens on a cluster and however late it is seen, none runs twice and no slot is shared."""

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pbt_operator.runners.kubernetes.api_errors import ApiRefused
from pbt_operator.runners.kubernetes.pod_state import LOST_AFTER_SECONDS
from pbt_operator.runners.kubernetes.unseen_pods import UNSEEN_SECONDS
from support.lagging import GRACE_SECONDS, RUNNING, Server, birth, pods_of

MEMBERS, SLOTS = 4, 2
members = st.integers(0, MEMBERS - 1)
WATCH_SECONDS = UNSEEN_SECONDS / 4  # what may pass before the watch has caught up


class Lag(RuleBasedStateMachine):
    """An operator that keeps some members' pods running, on a cluster where anything may happen, late."""

    @initialize()
    def begin(self) -> None:
        self.server = Server()
        self.pods = pods_of(self.server)
        self.incarnations = dict.fromkeys(range(MEMBERS), 1)
        self.claimed: set[str] = set()
        self.lost: set[str] = set()

    # the operator

    @rule()
    def pass_(self) -> None:
        self.pods.refresh(self.server.seen)
        live: dict[int, Any] = {}
        for pod in self.pods.observe():
            if pod.ended:
                if pod.uid in self.claimed and pod.incarnation == self.incarnations[pod.member]:
                    self.incarnations[pod.member] += 1
                self.pods.forget(pod)
            else:
                assert pod.member not in live
                live[pod.member] = pod
        for member in range(MEMBERS):
            if member not in live and len(live) < SLOTS:
                live[member] = None
                self.pods.start(birth(member, self.incarnations[member]))

    @rule(member=members)
    def stop(self, member: int) -> None:
        self.pods.refresh(self.server.seen)
        for pod in self.pods.observe():
            if pod.member == member and not pod.ended:
                self.pods.stop(pod)

    @rule()
    def operator_restarts(self) -> None:
        self.server.show()  # a watch begins with a list
        self.pods = pods_of(self.server)

    # the cluster

    @precondition(lambda self: self.server.lag)
    @rule(count=st.integers(1, 3))
    def watch_shows(self, count: int) -> None:
        self.server.show(count)

    @precondition(lambda self: self.server.lag == 0)
    @rule(seconds=st.floats(0, WATCH_SECONDS))
    def time_passes(self, seconds: float) -> None:
        self.server.now += seconds

    @rule(member=members, claims=st.booleans())
    def trainer_runs(self, member: int, claims: bool) -> None:
        for uid in self.of(member, "Pending"):
            self.server.tell(uid, "Running", RUNNING)
            self.claimed |= {uid} if claims else set()

    @rule(member=members, code=st.sampled_from([0, 1, 137]))
    def trainer_ends(self, member: int, code: int) -> None:
        for uid in self.of(member, "Running"):
            if uid not in self.lost:
                self.server.end(uid, code)

    @rule(member=members)
    def node_is_lost(self, member: int) -> None:
        self.lost |= set(self.of(member, "Running"))

    @rule(member=members)
    def somebody_deletes(self, member: int) -> None:
        for uid in [*self.of(member, "Pending"), *self.of(member, "Running"), *self.of(member, "Failed")]:
            self.server.delete_pod("team", "", uid=uid)

    @rule(refused=st.booleans())
    def quota(self, refused: bool) -> None:
        self.server.refusing = ApiRefused("exceeded quota", quota=True) if refused else None

    def of(self, member: int, phase: str) -> list[str]:
        return [
            uid
            for uid, pod in self.server.pods.items()
            if pod["status"]["phase"] == phase and pod["metadata"]["labels"]["pbt.dev/member"] == str(member)
        ]

    def live(self) -> list[int]:
        """The members whose pods the API server has, and whose trainers aren't over."""
        return [m for m in range(MEMBERS) for phase in ("Pending", "Running") for _ in self.of(m, phase)]

    # laws

    @invariant()
    def no_member_has_two_live_pods_and_no_slot_is_used_twice(self) -> None:
        live = Counter(self.live()) if hasattr(self, "server") else Counter()
        assert all(count == 1 for count in live.values())
        assert live.total() <= SLOTS

    def teardown(self) -> None:
        """Once nothing happens any more, all slots are used, and no more than one ended pod of a member is kept."""
        if not hasattr(self, "server"):
            return
        self.server.refusing = None
        for _ in range(8):
            self.server.show()
            self.server.now += max(UNSEEN_SECONDS, GRACE_SECONDS + LOST_AFTER_SECONDS) + 1
            for member in range(MEMBERS):
                for uid in self.of(member, "Running"):
                    if uid not in self.lost and "deletionTimestamp" in self.server.pods[uid]["metadata"]:
                        self.server.end(uid, 143)
            self.server.show()
            self.pass_()
        assert len(self.live()) == SLOTS
        kept = Counter(m for m in range(MEMBERS) for p in ("Succeeded", "Failed") for _ in self.of(m, p))
        assert all(count == 1 for count in kept.values())


Lag.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLag = Lag.TestCase
