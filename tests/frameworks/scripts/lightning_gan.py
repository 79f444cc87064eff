"""A GAN in manual optimisation, seeded as all members are, without validation; its schedules are stepped by itself."""

import lightning
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

import pbt_trainer.lightning


class Gan(LightningModule):
    def __init__(self, hp):
        super().__init__()
        self.hp, self.automatic_optimization = hp, False
        self.generator, self.critic = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)

    def training_step(self, batch, _):
        made = self.generator(torch.randn(len(batch[0]), 2))
        optimizers = self.optimizers()
        for optimizer, loss in (
            (optimizers[0], -self.critic(made).mean()),
            (optimizers[1], (self.critic(made.detach()) - self.critic(batch[0])).mean()),
        ):
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        self.log("score", -loss)

    def on_train_epoch_end(self):
        for schedule in self.lr_schedulers():
            schedule.step()

    def configure_optimizers(self):
        pairs = [(self.generator, self.hp["lr"]), (self.critic, self.hp["critic_lr"])]
        optimizers = [torch.optim.Adam(part.parameters(), rate) for part, rate in pairs]
        return optimizers, [torch.optim.lr_scheduler.StepLR(each, 1, 0.5) for each in optimizers]


run = pbt_trainer.join({"lr": 0.1, "critic_lr": 0.2}, total_steps=12, interval_steps=4)
lightning.seed_everything(1)
trainer = Trainer(
    accelerator="cpu",
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    logger=False,
    callbacks=[pbt_trainer.lightning.PopulationCallback(run, "score")],
)
trainer.fit(Gan(run.hp), DataLoader(TensorDataset(torch.randn(10, 2)), batch_size=2))
