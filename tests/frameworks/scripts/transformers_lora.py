"""LoRA of a frozen GPT-2, three batches to a step and two to the last one of an epoch, which is evaluated too."""

import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2ForSequenceClassification, Trainer, TrainingArguments, set_seed

import pbt_trainer.transformers

run = pbt_trainer.join({"learning_rate": 0.1}, total_steps=12, interval_steps=2)
set_seed(1)
config = GPT2Config(vocab_size=9, n_positions=4, n_embd=8, n_layer=1, n_head=1, num_labels=2, pad_token_id=0)
model = get_peft_model(GPT2ForSequenceClassification(config), LoraConfig(r=2, task_type="SEQ_CLS"))
rows = [{"input_ids": torch.tensor([1, 2, 3, row % 9]), "labels": row % 2} for row in range(16)]
args = TrainingArguments(
    output_dir="out",
    save_strategy="no",
    eval_strategy="epoch",
    gradient_accumulation_steps=3,
    per_device_train_batch_size=2,
    lr_scheduler_type="linear",
    report_to=[],
    disable_tqdm=True,
    use_cpu=True,
)
trainer = Trainer(model, args, train_dataset=rows, eval_dataset=rows)
pbt_trainer.transformers.train(trainer, run, "eval_loss")
