"""A trainer with a hyperparameter that changes the form of what is tracked."""

import pbt_trainer


class Layer:
    def __init__(self, width: int) -> None:
        self.weights = [0.0] * width

    def state_dict(self):
        return {"weights": self.weights}

    def load_state_dict(self, state) -> None:
        if len(state["weights"]) != len(self.weights):
            raise ValueError(f"{len(state['weights'])} weights for {len(self.weights)}")
        self.weights = list(state["weights"])


run = pbt_trainer.join({"rate": 0.1, "width": 3}, total_steps=60, interval_steps=30)
layer = Layer(run.hp["width"])
run.track(layer=layer)
for _ in run.steps():
    layer.weights = [weight + run.hp["rate"] for weight in layer.weights]
    if run.due:
        run.report({"score": sum(layer.weights)})
