"""Digits by JAX: a network of Flax's nnx under AdamW of optax, with a decaying learning rate and dropout."""

import jax
import optax
from flax import nnx
from sklearn.datasets import load_digits


class Net(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.layers = nnx.Sequential(nnx.Linear(64, 64, rngs=rngs), nnx.relu, nnx.Linear(64, 10, rngs=rngs))
        self.dropout = nnx.Dropout(0.1)
        rule = optax.inject_hyperparams(optax.adamw)(learning_rate=0.0)
        self.optimizer = nnx.Optimizer(self.layers, rule, wrt=nnx.Param)


@nnx.jit
def train_step(net, images, labels, smoothing, key):
    def loss(layers):
        targets = optax.smooth_labels(jax.nn.one_hot(labels[chosen], 10), smoothing)
        outputs = layers(net.dropout(images[chosen], rngs=key))
        return optax.softmax_cross_entropy(outputs, targets).mean()

    chosen = jax.random.randint(key, (64,), 0, 1400)
    net.optimizer.update(net.layers, nnx.grad(loss)(net.layers))


@nnx.jit
def accuracy_of(net, images, labels):
    return (net.layers(images).argmax(axis=1) == labels).mean()


def main():
    hp = {"lr": 3e-3, "smoothing": 0.1}
    digits = load_digits()
    images, labels = jax.numpy.asarray(digits.data / 16), jax.numpy.asarray(digits.target)
    net = Net()
    for step in range(1, 201):
        key = jax.random.fold_in(jax.random.key(0), step)
        net.optimizer.opt_state.hyperparams["learning_rate"][...] = hp["lr"] * 0.5 ** (step / 100)
        train_step(net, images, labels, hp["smoothing"], key)
        if step % 40 == 0:
            accuracy = accuracy_of(net, images[1400:], labels[1400:])
            print(f"step {step}: accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
