"""`python -m soak`: populations under random faults for a while; ends with 1 where an invariant was violated."""

import argparse
import secrets
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from cluster.release import installed
from cluster.space import Space
from faults import forward
from kindcluster.machine import ClusterError
from soak.breaking import Breaking
from soak.memory import Sample
from soak.plan import faults, wishes
from soak.tally import Tally
from soak.training import Training
from support.cluster import Cluster, Unavailable, cluster

SLOTS = 3
LOOK_SECONDS = 5.0
CALM = 0.4  # the last part of the time, in which nobody kills the operator: its memory can be judged


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(prog="soak", description="Populations under random faults.")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long faults come")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="what is drawn follows from it"
    )
    parser.add_argument("--result", type=Path, help="file for the result, as markdown")
    parser.add_argument(
        "--evidence", type=Path, help="folder for the records of populations that violate something"
    )
    given = parser.parse_args()
    evidence = given.evidence or Path(tempfile.mkdtemp(prefix="soak-"))
    print(
        f"soak: {given.minutes:g} minutes, seed {given.seed}; evidence of violations goes to {evidence}",
        flush=True,
    )
    with cluster() as found:
        if isinstance(found, Unavailable):
            sys.exit(found.reason)
        tally = soak(found, seed=given.seed, seconds=60 * given.minutes, evidence=evidence)
    told = tally.to_markdown(seed=given.seed, seconds=60 * given.minutes)
    print(told)
    if given.result:
        given.result.write_text(told)
    sys.exit(1 if tally.wrong else 0)


def soak(found: Cluster, *, seed: int, seconds: float, evidence: Path) -> Tally:
    """Trains populations for so long, under faults; afterwards all come to their end undisturbed."""
    assert found.faults is not None, "only this machine's own cluster may be broken"
    with ExitStack() as stack:
        server = stack.enter_context(forward.kept(found))
        release = stack.enter_context(installed(found, server))
        space = Space(found, f"soak-{secrets.token_hex(3)}", server=server, release=release)
        space.populations.endures = space.pods.endures = True
        tally = Tally()
        breaking = Breaking(space, found.faults, tally)
        over, all_ended = threading.Event(), threading.Event()
        slots = [
            Training(slot, space, breaking=breaking, tally=tally, evidence=evidence)
            for slot in range(1, SLOTS + 1)
        ]
        threads = [
            threading.Thread(target=slot.run, args=(wishes(seed, number), over))
            for number, slot in enumerate(slots, 1)
        ]
        threads.append(threading.Thread(target=breaking.run, args=(faults(seed), over)))
        watching = threading.Thread(target=_watch, args=(space, tally, all_ended))
        calm = (1 - CALM) * seconds
        for thread in [*threads, watching]:
            thread.start()
        try:
            over.wait(calm)
            breaking.spares_operator = True
            tally.say("from now on nobody kills the operator")
            over.wait(seconds - tally.seconds)
            tally.say("no more faults")
        finally:
            over.set()
            for thread in threads:
                thread.join()
            all_ended.set()
            watching.join()
            _close(space, tally, had_zombies=breaking.given_up >= 0)
        tally.conclude(calm=calm)
    return tally


def _watch(space: Space, tally: Tally, over: threading.Event) -> None:
    """Looks at the operator's memory, whenever the API server lets it."""
    where = f"/api/v1/namespaces/{space.release.namespace}/services/{space.release.name}:http/proxy/metrics"
    while not over.wait(LOOK_SECONDS):
        done = space.cluster.kubectl("get", "--raw", where, "--request-timeout=4s", check=False)
        if done.returncode == 0:
            tally.samples.append(Sample.read(done.stdout, at=tally.seconds))


def _close(space: Space, tally: Tally, *, had_zombies: bool) -> None:
    """The end of the namespace, with the invariants of all that ever ran there."""
    space.has_zombies = had_zombies
    try:
        space.close()
    except (AssertionError, ClusterError) as error:
        tally.violated(f"at the end: {error}")


if __name__ == "__main__":
    main()
