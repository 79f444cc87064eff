"""A trainer that reports files; `argv` names more, and `deaf` means that it wants to know of no restore."""

import sys
from pathlib import Path

import pbt_trainer


class Nothing:
    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


run = pbt_trainer.join({"rate": 0.1, "layers": 1}, total_steps=8, interval_steps=4)
run.track(nothing=Nothing())
print("joined", run.incarnation, flush=True)


def restored(run):
    print("files", ".metadata", (run.files / ".metadata").read_text(), flush=True)


if "deaf" not in sys.argv:
    run.on_restore(restored)

folder = Path("shards")
for step in run.steps():
    print("step", step, flush=True)
    sys.stdin.readline()
    if not run.due:
        continue
    (folder / "part").mkdir(parents=True, exist_ok=True)
    (folder / ".metadata").write_text(f"step {step}")
    (folder / "part" / "0.bin").write_bytes(bytes(10))
    for name in sys.argv[1:]:
        (folder / name).touch()
    run.report({"score": step}, files=folder)
    (folder / ".metadata").write_text("changed since")
