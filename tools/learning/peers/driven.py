"""Drives a scheduler of Ray's PBT family over fake trials to the end, in virtual time.

All trials run at the same time. An interval takes 1 +- `JITTER` of virtual time, drawn for each anew, as on equal
machines. In Ray's asynchronous mode, its default, a trial is judged as soon as it reports, beside the latest scores of
the others; an exploit takes the donor's latest checkpoint, with its step. So a trial often repeats an interval, and
all together would take up to a tenth more steps than a population's members do. The run ends where the budget is
spent, with some trials before their last step. In the synchronous mode all are judged together, and take exactly so
many.

NaN. Ray leaves a trial whose score is NaN out of its comparison, and then never replaces it. A user who knows that
reports minus infinity instead, and so do we: a trial that failed loses. PB2 fits a model to the scores, so there it is
the lowest finite score of the run so far, or that of the untrained start.
"""

import heapq
import logging
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ray.tune.experiment import Trial

from learning.peers.fake_trials import FakeController, FakeTrial
from learning.peers.trainee import Budget, best_of, outcome
from learning.population import Outcome
from learning.task import Task, Values

TIME, METRIC = "step", "score"
"""What is reported: PBT compares and stops by `step`, which a checkpoint carries along."""
JITTER = 0.05

logging.getLogger("ray.tune").setLevel(logging.ERROR)


class Drive:
    """One run of a scheduler.

    Attributes:
        replaced: how many exploits there were.
        curve: the best score among those observed last, after each report that is a round's last.
    """

    def __init__(
        self,
        scheduler: Any,
        trials: Sequence[FakeTrial],
        *,
        task: Task,
        seed: int,
        budget: Budget,
        read: Callable[[dict[str, Any]], Values],
        failed: Callable[[float], float] = lambda lowest: -math.inf,
    ) -> None:
        """Adds the trials.

        Args:
            scheduler: an instance of Ray's class.
            trials: one for each member.
            task: what they train.
            seed: of the scheduler's own draws, which come from the generators of Python and numpy, and of the jitter.
            budget: of all trials together.
            read: the hyperparameters that a trial's configuration means.
            failed: what a trial that diverged reports, given the lowest finite score so far.
        """
        random.seed(f"{seed}/ray")
        np.random.seed(seed % 2**32)
        self.scheduler, self.trials, self.task, self.budget = scheduler, trials, task, budget
        self.controller = FakeController(trials)
        self.replaced, self.curve, self._lowest = 0, [], task.start
        self._read, self._failed = read, failed
        self._jitter = random.Random(f"{seed}/jitter")
        for trial in trials:
            scheduler.on_trial_add(self.controller, trial)
            trial.trainee.hyperparameters = read(trial.config)

    curve: list[float]

    def synchronously(self) -> Outcome:
        """Trains interval by interval; the last report of each decides for all."""
        while live := self.controller.get_live_trials():
            for trial in live:
                if self._report(trial) in {"PAUSE", "NOOP"}:
                    trial.status = Trial.PAUSED
            for trial in self.controller.get_live_trials():
                self._continue(trial)
            self._note()
        return self._outcome()

    def asynchronously(self) -> Outcome:
        """Trains one trial after the other, in the order in which they come to the end of their intervals."""
        running = [(self._seconds(), trial.trainee.number) for trial in self.trials]
        heapq.heapify(running)
        reports = 0
        while running and self.budget.left:
            now, number = heapq.heappop(running)
            trial = self.trials[number]
            self._report(trial)
            reports += 1
            if reports % len(self.trials) == 0:
                self._note()
            if not trial.is_finished():
                self._continue(trial)
                heapq.heappush(running, (now + self._seconds(), number))
        return self._outcome()

    def _report(self, trial: FakeTrial) -> str:
        """Trains a trial for an interval and tells the scheduler: what the scheduler decides."""
        score = trial.trainee.train()
        if math.isnan(score):
            score = self._failed(self._lowest)
        else:
            self._lowest = min(self._lowest, score)
        result = {TIME: trial.trainee.step, METRIC: score}
        trial.last_result = result
        if trial.trainee.done:
            trial.status = Trial.TERMINATED
            self.scheduler.on_trial_complete(self.controller, trial, result)
            return "STOP"
        decision: str = self.scheduler.on_trial_result(self.controller, trial, result)
        return decision

    def _continue(self, trial: FakeTrial) -> None:
        trial.status = Trial.RUNNING
        if trial.take_over():
            self.replaced += 1
            trial.trainee.hyperparameters = self._read(trial.config)

    def _seconds(self) -> float:
        return 1 + self._jitter.uniform(-JITTER, JITTER)

    def _note(self) -> None:
        best = best_of(trial.trainee for trial in self.trials)
        self.curve.append(math.nan if best is None or best.score is None else best.score)

    def _outcome(self) -> Outcome:
        best = best_of(trial.trainee for trial in self.trials)
        return outcome(best, task=self.task, budget=self.budget, replaced=self.replaced, curve=self.curve)
