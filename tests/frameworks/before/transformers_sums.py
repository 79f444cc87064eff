"""A small GPT-2 learns by Transformers' Trainer which half of a sequence has the larger sum."""

import numpy as np
import torch
from transformers import GPT2Config, GPT2ForSequenceClassification, Trainer, TrainingArguments


def sequences(count, seed):
    tokens = np.random.RandomState(seed).randint(2, 40, (count, 8))
    labels = tokens[:, :4].sum(axis=1) > tokens[:, 4:].sum(axis=1)
    return [
        {"input_ids": torch.tensor(row), "labels": int(label)}
        for row, label in zip(tokens, labels, strict=True)
    ]


def accuracy(prediction):
    return {"accuracy": float((prediction.predictions.argmax(axis=1) == prediction.label_ids).mean())}


def main():
    hp = {"learning_rate": 1e-3, "weight_decay": 0.01}
    config = GPT2Config(
        vocab_size=40, n_positions=8, n_embd=32, n_layer=1, n_head=2, num_labels=2, pad_token_id=0
    )
    args = TrainingArguments(
        output_dir="out",
        max_steps=120,
        learning_rate=hp["learning_rate"],
        weight_decay=hp["weight_decay"],
        lr_scheduler_type="cosine",
        warmup_steps=10,
        per_device_train_batch_size=32,
        per_device_eval_batch_size=200,
        report_to=[],
        disable_tqdm=True,
        logging_steps=30,
        use_cpu=True,
    )
    trainer = Trainer(
        GPT2ForSequenceClassification(config),
        args,
        train_dataset=sequences(1000, seed=0),
        eval_dataset=sequences(200, seed=1),
        compute_metrics=accuracy,
    )
    trainer.train()


if __name__ == "__main__":
    main()
