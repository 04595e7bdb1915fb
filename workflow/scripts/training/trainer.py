"""The trainer: transformers' Trainer with an order laid out beforehand, the captions' loss, and no logits kept.

trainer = build_trainer(name, model, pad_id, pictures, splits, settings, seed, checkpoints)
trainer.train(resume_from_checkpoint=…)
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.optimizers import create_loraplus_optimizer
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from models.class_faults import name_of, told_as_input_error
from models.linear_kernels import speed_linear_layers
from models.pictures import PictureInputs
from training.callbacks import KeepBest, KeepCheckpoints, ShowProgress, StopOnSignal, StopWhenLost, StopWhenUntrained
from training.data import Encoded, EncodedSplit, ExampleDataset, lay_out_training
from training.dropout import speed_dropout
from training.eval_captions import EvalCaptions
from training.look_ahead import check_causal
from training.loss import give_caption_loss
from training.micro_batch import MicroBatchPlan, is_measured, plan_micro_batch
from training.packing import choose_batching
from training.settings import TrainingSettings
from training.sharding import ShardedTrainer, sharding_arguments


class CaptionTrainer(Trainer):
    """Trainer whose order of examples is laid out beforehand, and whose evaluation keeps no logits."""

    train_dataset: Any  # an ExampleDataset; Trainer's own annotation allows datasets without length
    model: Any

    def __init__(self, *, tokens_by_step: list[int], lora_plus_ratio: float | None, **options: Any):
        super().__init__(**options)
        # It gives the loss itself (training/loss.py), divided by the labels of the whole step on all devices.
        self.model_accepts_loss_kwargs = True
        self._lora_plus_ratio = lora_plus_ratio
        self._tokens_seen = [0, *itertools.accumulate(tokens_by_step)]
        self._last_log = (0, 0.0)  # step and time; no rate is logged before the second record of a run
        self.eval_captions: EvalCaptions | None = None

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        """Trainer's own optimizer, or with a ratio that of LoRA+: a higher learning rate for the B matrices."""
        if self._lora_plus_ratio and self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            decay = self.args.weight_decay
            options |= {"loraplus_lr_ratio": self._lora_plus_ratio, "loraplus_weight_decay": decay}
            self.optimizer = create_loraplus_optimizer(self.model, kind, **options)
        return super().create_optimizer(model)

    def training_step(self, *arguments, **options) -> torch.Tensor:
        """Trainer's own; the first shows whether the code of the model's class can be trained so."""
        with told_as_input_error(cannot_train(self.model), until=lambda: self.state.global_step > 0):
            return super().training_step(*arguments, **options)

    def _get_train_sampler(self, train_dataset=None):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval") -> dict[str, float]:
        """Mean loss over all caption tokens of the validation split; the score of captions where some are wanted."""
        self.model.eval()
        totals = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        for batch in self.evaluation_loader():
            inputs = self._prepare_inputs(batch)
            with torch.inference_mode():
                totals[0] += self.model(**inputs, num_items_in_batch=1.0).loss
                totals[1] += (inputs["labels"] != -100).sum()
        totals = self.accelerator.reduce(totals, "sum")
        metrics = {f"{metric_key_prefix}_loss": float(totals[0] / totals[1])}
        if self.eval_captions:
            metrics |= self.eval_captions.evaluate(self.model, self.state.global_step)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.model.train()
        # An evaluation is no training: its seconds do not count for the pace.
        self._last_log = (self.state.global_step, time.time())
        return metrics

    def evaluation_loader(self) -> Any:
        """This process's share of the validation split, in batches of like length, the longest first.

        Trainer's own loader repeats samples until all processes have as many batches, and the loss counts them twice.
        """
        samples: Any = self.eval_dataset
        size = self.args.per_device_eval_batch_size
        places = sorted(range(len(samples)), key=lambda place: -samples[place].n_tokens)
        batches = [places[start : start + size] for start in range(0, len(places), size)]
        share = batches[self.args.process_index :: self.args.world_size]
        return torch.utils.data.DataLoader(samples, batch_sampler=share, collate_fn=self.data_collator)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the time, the pace (real tokens of all devices, no padding) and the GPU's memory to a record."""
        now, step = time.time(), self.state.global_step
        last_step, last_time = self._last_log
        if "loss" in logs:
            if last_time and step > last_step:
                n_tokens = self._tokens_seen[step] - self._tokens_seen[last_step]
                logs["tokens_per_second"] = round(n_tokens / (now - last_time), 1)
            if torch.cuda.is_available():
                logs["gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
            self._last_log = (step, now)
        super().log({**logs, "time": round(now, 1)}, start_time)


class ShardedCaptionTrainer(ShardedTrainer, CaptionTrainer):
    """The same where the weights are shared out over the devices."""


def cannot_train(model: PeftModel) -> str:
    """What is said where the code of a model's class fails in its first passes."""
    return f"{name_of(model.get_base_model())} can't be trained"


def build_trainer(
    name: str,
    model: PeftModel,
    pad_id: int,
    pictures: PictureInputs | None,
    splits: dict[str, EncodedSplit],
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
) -> tuple[CaptionTrainer, MicroBatchPlan, KeepBest, StopOnSignal]:
    """The trainer with its callbacks, and how its steps are cut into forward passes.

    `pictures` makes the model's inputs of the pictures in prompts; None where code alone is read.
    """
    arguments = build_arguments(name, settings, seed, checkpoints)
    speed_linear_layers(model, arguments.device)
    speed_dropout(model, arguments.device)
    give_caption_loss(model, in_parts=settings.sharding == "none")
    # Tokens of a picture may see each other; with sharding no device holds the model yet.
    if pictures is None and settings.sharding == "none":
        with told_as_input_error(cannot_train(model)):
            check_causal(model.get_base_model().to(arguments.device))
    measured = is_measured(settings, arguments.device)
    batching = choose_batching(model, pad_id, pictures, settings, arguments.device, measured)
    train, validation = splits["train"].samples, splits["validation"].samples
    n_steps, effective = (
        settings.n_steps(len(train), arguments.world_size),
        settings.effective_batch(arguments.world_size),
    )
    arguments.max_steps = n_steps
    arguments.eval_steps = min(settings.eval_steps, n_steps)
    arguments.warmup_steps = round(settings.warmup_ratio * n_steps)
    order = lay_out_training(train, n_steps * effective, effective, seed)
    with told_as_input_error(cannot_train(model)):
        plan = plan_micro_batch(model, batching, train, order, settings, arguments.device, checkpoints)
    arguments.per_device_train_batch_size = arguments.per_device_eval_batch_size = plan.cut.batch_size
    arguments.gradient_accumulation_steps = plan.cut.accumulation
    keep_best, stop = KeepBest(checkpoints, settings), StopOnSignal()
    trainer_class = ShardedCaptionTrainer if settings.sharding == "fsdp" else CaptionTrainer
    trainer = trainer_class(
        model=model,
        args=arguments,
        data_collator=batching.rival if batching.rival and plan.packed else batching.collate,
        train_dataset=ExampleDataset(train, order),
        eval_dataset=ExampleDataset(validation, [(place, 0) for place in range(len(validation))]),
        callbacks=[
            *(keep_best, stop, KeepCheckpoints(checkpoints, settings)),  # which sees what stop saves
            ShowProgress(name, n_steps, checkpoints / "history.jsonl"),  # before it may be lost, its record is kept
            *(StopWhenUntrained(), StopWhenLost()),
        ],
        tokens_by_step=tokens_by_step(train, order, effective),
        lora_plus_ratio=settings.lora_plus_ratio,
    )
    trainer.remove_callback(PrinterCallback)  # it prints raw dictionaries to stdout
    return trainer, plan, keep_best, stop


def build_arguments(name: str, settings: TrainingSettings, seed: int, checkpoints: Path) -> TrainingArguments:
    """The settings in the words of transformers; the number of steps is not known yet."""
    return TrainingArguments(
        output_dir=str(checkpoints),
        seed=seed,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.scheduler,
        weight_decay=settings.weight_decay,
        logging_steps=settings.log_steps,
        logging_nan_inf_filter=False,  # else a loss that is not a number is logged as a mean of the others
        eval_strategy="steps",
        eval_steps=settings.eval_steps,
        save_steps=settings.save_steps,
        save_total_limit=None,  # KeepCheckpoints removes old ones, when the new one is whole
        use_cpu=not torch.cuda.is_available(),
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=[],
        run_name=name,
        # A batch without pictures does not reach what reads them.
        ddp_find_unused_parameters=settings.train_vision or settings.train_projector,
        dataloader_pin_memory=torch.cuda.is_available(),
        **sharding_arguments(settings),
    )


def tokens_by_step(samples: list[Encoded], order: list[tuple[int, int]], step_size: int) -> list[int]:
    """Real tokens of each optimizer step, on all devices."""
    lengths = [len(samples[place].prompt) + len(samples[place].captions[reference]) for place, reference in order]
    return [sum(lengths[start : start + step_size]) for start in range(0, len(lengths), step_size)]
