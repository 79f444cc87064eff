"""Ray's `AsyncHyperBandScheduler` (ASHA): many fixed configurations, three quarters of which stop at each rung.

As many trials run at the same time as a population has members. Where one stops, the next configuration starts, until
the budget of steps is spent. The first configurations are those of our populations; the later ones are drawn from the
same space. The grace period is one interval, the reduction factor 4. In the end the trial with the best of all last
scores is named, stopped or not, as Tune's `get_best_result` does.

NaN. Ray's rungs would let a trial with NaN pass. A user who knows that lets it fail, and so do we: it ends, is no
candidate for the best, and its steps are spent.
"""

import heapq
import math
import random
from itertools import count

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler

from learning.peers.driven import JITTER, METRIC, TIME
from learning.peers.fake_trials import FakeController, FakeTrial
from learning.peers.trainee import Budget, Trainee, best_of, outcome
from learning.population import Outcome, seeded, spec_of
from learning.task import Task
from pbt_operator.core.explore import initial

REDUCTION = 4


def run(task: Task, members: int, seed: int) -> Outcome:
    """Trains until the steps of so many members are spent.

    Args:
        task: what is trained.
        members: how many trials run at the same time.
        seed: of everything that is drawn.
    """
    return _Search(task, members, seed).run()


class _Search:
    def __init__(self, task: Task, members: int, seed: int) -> None:
        random.seed(f"{seed}/ray")
        np.random.seed(seed % 2**32)
        self.task, self.seed, self.budget = task, seed, Budget.of(task, members)
        self.spec = seeded(task, spec_of(task, members), seed)
        self.scheduler = AsyncHyperBandScheduler(
            time_attr=TIME,
            metric=METRIC,
            mode="max",
            max_t=task.total_steps,
            grace_period=task.interval_steps,
            reduction_factor=REDUCTION,
        )
        self.controller = FakeController(())
        self.jitter, self.numbers = random.Random(f"{seed}/jitter"), count()
        self.running = [(self._seconds(), slot, self._started()) for slot in range(members)]
        heapq.heapify(self.running)
        self.stopped, self.best, self.curve = 0, None, []

    best: Trainee | None
    curve: list[float]

    def run(self) -> Outcome:
        reports = 0
        while self.budget.left:
            now, slot, trial = heapq.heappop(self.running)
            if self._ends(trial):
                trial = self._started()
            heapq.heappush(self.running, (now + self._seconds(), slot, trial))
            reports += 1
            if reports % len(self.running) == 0:
                best = self._best()
                self.curve.append(math.nan if best is None or best.score is None else best.score)
        return outcome(
            self._best(), task=self.task, budget=self.budget, replaced=self.stopped, curve=self.curve
        )

    def _ends(self, trial: FakeTrial) -> bool:
        """Trains a trial for an interval and tells the scheduler: whether its slot is free then."""
        score = trial.trainee.train()
        if math.isnan(score):
            trial.status = Trial.ERROR
            self.scheduler.on_trial_error(self.controller, trial)
            return True
        result = {TIME: trial.trainee.step, METRIC: score}
        trial.last_result = result
        if trial.trainee.done:
            self.scheduler.on_trial_complete(self.controller, trial, result)
        elif self.scheduler.on_trial_result(self.controller, trial, result) == "STOP":
            self.stopped += 1
        else:
            return False
        trial.status = Trial.TERMINATED
        self.best = best_of(one for one in (self.best, trial.trainee) if one is not None)
        return True

    def _started(self) -> FakeTrial:
        """The next configuration. Members beyond those of a population are drawn as its members are."""
        number = next(self.numbers)
        values = initial(self.spec, member=number)
        trial = FakeTrial(
            Trainee(self.task, number, values, seed=self.seed, budget=self.budget), dict(values)
        )
        self.scheduler.on_trial_add(self.controller, trial)
        return trial

    def _best(self) -> Trainee | None:
        """Of all that ended and all that run."""
        running = (trial.trainee for _, _, trial in self.running)
        return best_of(one for one in (self.best, *running) if one is not None)

    def _seconds(self) -> float:
        return 1 + self.jitter.uniform(-JITTER, JITTER)
