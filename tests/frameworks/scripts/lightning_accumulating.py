"""Four batches to a step, two to the last one of an epoch; validation within an accumulation; a frozen part."""

import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

import pbt_trainer.lightning

BATCHES, ACCUMULATED = 10, 4


class Net(LightningModule):
    def __init__(self, hp):
        super().__init__()
        self.hp = hp
        self.base = torch.nn.Linear(4, 4).requires_grad_(False)
        self.head = torch.nn.Linear(4, 1)

    def training_step(self, batch, _):
        return (self.head(self.base(batch[0])) - 1).square().mean()

    def validation_step(self, batch, _):
        self.log("score", -(self.head(self.base(batch[0])) - 1).square().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.head.parameters(), self.hp["lr"])
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


torch.manual_seed(3)
net = Net({})
run = pbt_trainer.join({"lr": 0.1}, total_steps=12, interval_steps=2)
net.hp = run.hp
loader = DataLoader(TensorDataset(torch.linspace(-1, 1, 80).reshape(20, 4)), batch_size=2)
callback = pbt_trainer.lightning.PopulationCallback(run, "score", model=pbt_trainer.trainable(net))
trainer = Trainer(
    accelerator="cpu",
    accumulate_grad_batches=ACCUMULATED,
    val_check_interval=3,
    check_val_every_n_epoch=None,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    logger=False,
    callbacks=[callback],
)
trainer.fit(net, loader, loader)
