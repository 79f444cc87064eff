"""The workload under Ray Tune's PBT: `python rays.py` with the settings as JSON on the command line."""

import json
import os
import sys

import ray
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining
from workload import Marks, State, Training


class Trainable(tune.Trainable):
    """The workload, with the state kept in a folder and the same object going on where the actor is reused."""

    def setup(self, config):
        self.marks = Marks()
        self.marks.member = self.trial_id
        self.marks.note("script")
        self.state = State(int(os.environ["BENCH_BYTES"]), self.trial_id)
        self.training = Training(self.marks, self.state)
        self.rate = config["lr"]

    def reset_config(self, new_config):
        self.marks.member = self.state.member = self.trial_id
        self.rate = new_config["lr"]
        return True

    def step(self):
        return {"score": self.training.step(self.iteration + 1, self.rate)}

    def save_checkpoint(self, checkpoint_dir):
        self.state.save(checkpoint_dir)

    def load_checkpoint(self, checkpoint):
        self.state.load(checkpoint)
        self.marks.member = self.state.member = self.trial_id
        self.marks.note("restored", donor=self.state.donor)


def main(settings):
    """Runs one experiment to its end."""
    members = settings["members"]
    ray.init(
        num_cpus=members,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        _temp_dir=settings["sessions"],
    )
    scheduler = PopulationBasedTraining(
        time_attr="training_iteration",
        perturbation_interval=settings["interval"],
        hyperparam_mutations={"lr": tune.uniform(0.0, 1.0)},
        quantile_fraction=0.25,
        resample_probability=0.25,
        perturbation_factors=(1.25, 0.8),
    )
    tuner = tune.Tuner(
        tune.with_resources(Trainable, {"cpu": 1}),
        param_space={"lr": tune.grid_search(settings["rates"])},
        tune_config=tune.TuneConfig(
            metric="score", mode="max", scheduler=scheduler, reuse_actors=settings["reuse"]
        ),
        run_config=tune.RunConfig(
            name="pbt",
            storage_path=settings["storage"],
            stop={"training_iteration": settings["steps"]},
            verbose=0,
        ),
    )
    results = tuner.fit()
    wrong = [result.error for result in results if result.error]
    ray.shutdown()
    if wrong:
        sys.exit(f"a trial failed: {wrong[0]}")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
