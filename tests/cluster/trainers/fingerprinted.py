"""The digits example as the image has it, but that its reports also tell which weights a restore brought."""

import sys
import zlib

import pbt_trainer


def checksum(weights):
    """Of the names and bytes of tensors; numpy's bytes are the same at both ends."""
    crc = 0
    for name in sorted(weights):
        crc = zlib.crc32(weights[name].tobytes(), zlib.crc32(name.encode(), crc))
    return crc


def fingerprinting(join):
    """`join`, for a run whose reports have the metric `restored`; it is -1 where nothing was restored."""

    def joined(*arguments, **options):
        run = join(*arguments, **options)
        track, report, restored = run.track, run.report, [-1]

        @run.on_restore
        def look(_):
            restored.append(
                checksum({name: tensor.numpy() for name, tensor in models[0].state_dict().items()})
            )

        models = []

        def tracking(*, model, **others):
            models.append(model)
            track(model=model, **others)

        run.track = tracking
        run.report = lambda metrics: report({**metrics, "restored": restored[-1]})
        return run

    return joined


if __name__ == "__main__":
    sys.path.insert(0, "examples/digits")
    import train

    pbt_trainer.join = fingerprinting(pbt_trainer.join)
    train.main()
