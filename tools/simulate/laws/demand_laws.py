"""The law of demand: no pod lacks for long that a member needs (15)."""

from pbt_contract.records import Report
from simulate.apiserver import Body
from simulate.laws.facts import Facts
from simulate.laws.judge import Judge
from simulate.laws.turn_laws import TurnLaws

DEMAND_SECONDS = 240.0
"""How long a pod may lack, with a working operator. One that starts reads for minutes where a request takes seconds."""


class DemandLaws(Judge):
    """With a working operator, there are as many pods as members that need one, up to the slots asked for.

    Pods may end all the time, as where a population is nearly done. So each that comes is for the one that has lacked
    for longest; but one that an operator ends before its process has recorded anything was none.
    """

    def __init__(self, facts: Facts, turns: TurnLaws) -> None:
        """Asks the laws of turns which pods are there and who needs one."""
        super().__init__(facts)
        self._turns = turns
        self._looked_at = 0.0
        self._lacks: list[float] = []  # for how many seconds each has lacked that lacks, the longest first
        self._there: dict[str, float] = {}  # the pods at the last look, and for how long each had lacked
        self._stopped: set[str] = set()  # pods that an operator ended
        self._useful: set[str] = set()  # pods whose processes have recorded something

    def on_pod(self, pod: Body, *, gone: bool) -> None:
        """Notes whom an operator ends."""
        is_over = pod["status"].get("phase") in {"Failed", "Succeeded"}
        is_to_go = gone or "deletionTimestamp" in pod["metadata"]
        if is_to_go and not is_over and self.facts.world.is_running("operator"):
            self._stopped.add(pod["metadata"]["uid"])

    def on_record(self, record: Report) -> None:
        """Notes who has been of use."""
        claim = self.facts.claims.get(record.life)
        if claim is not None:
            self._useful.add(claim.pod)

    def on_tick(self) -> None:
        """Looks for pods that have lacked for too long."""
        facts, spec = self.facts, self.facts.in_force
        there = [pod.uid for pod in self._turns.pods() if not pod.stopping]
        is_at_work = spec is not None and facts.is_at_work
        wanted = min(spec.slots, len(list(self._turns.needy(spec)))) if spec is not None and is_at_work else 0
        seconds, self._looked_at = self.now - self._looked_at, self.now
        vain = (self._stopped - self._useful).difference(there)
        lacks = [*self._lacks, *(lacked for uid, lacked in self._there.items() if uid in vain)]
        lacks.sort()
        known, self._there = self._there, {}
        for uid in there:
            self._there[uid] = known[uid] if uid in known else lacks.pop() if lacks else 0.0
        num_lacking = max(0, wanted - len(there))
        lacks = [lacked + seconds for lacked in lacks[::-1][:num_lacking]]
        self._lacks = lacks + [0.0] * (num_lacking - len(lacks))
        if not is_at_work:
            self._there = dict.fromkeys(there, 0.0)
        if self._lacks and self._lacks[0] > DEMAND_SECONDS:
            told = f"{len(there)} pods, {wanted} members need one"
            self.blame(f"15: there are {told}; one has lacked for {self._lacks[0]:.0f} s")
