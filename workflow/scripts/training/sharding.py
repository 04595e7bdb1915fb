"""Weights shared out over the devices of a training (FSDP2), for a base that is too large for one GPU.

Each device holds a part of every layer and gathers a whole layer only while it computes it. Steps, losses and files are
those of training without sharding, to the last bits; a checkpoint of one is resumed by the other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import Trainer
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from captions.prompts import IGNORED
from core.command import InputError
from training.settings import SHARDED_WITH, TrainingSettings


def sharding_arguments(settings: TrainingSettings) -> dict[str, Any]:
    """What transformers' TrainingArguments take for FSDP2; each layer of the model is gathered by itself."""
    return {"fsdp": True, "fsdp_config": {"version": 2}} if settings.sharding == "fsdp" else {}


def check_sharding(settings: TrainingSettings, n_devices: int, input: str) -> None:
    """Raise InputError for settings with which the weights cannot be shared out."""
    if settings.sharding == "none":
        return
    if n_devices == 1:
        raise InputError("sharding: fsdp shares the weights out over several GPUs: raise models.<name>.gpus")
    for key, values in SHARDED_WITH.items():
        if (given := getattr(settings, key)) not in values:
            raise InputError(f"sharding: fsdp with {key}: {given} is not supported; set {key}: {json.dumps(values[0])}")
    if settings.captions.samples:
        raise InputError("sharding: fsdp writes no captions while it trains: set eval_captions.samples: 0")
    if input != "code":
        # A device whose batch has no picture would not gather the vision tower, and the others would wait for ever.
        raise InputError(f"sharding: fsdp trains models that read code alone, not input: {input}; set sharding: none")


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """The whole of a tensor on the CPU; all devices must ask for it together."""
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().cpu()


def save_adapter(model: Any, folder: Path, is_writer: bool) -> None:
    """Write the adapter of a model as peft does; where it is shared out all devices must call this together.

    Without the base's head, which peft would add where it is a target: a gigabyte that no training changes.
    """
    if any(isinstance(weight, DTensor) for weight in model.parameters()):
        state = {name: whole(weight) for name, weight in model.named_parameters() if weight.requires_grad}
        if is_writer:
            model.save_pretrained(folder, state_dict=state, save_embedding_layers=False)
    elif is_writer:
        model.save_pretrained(folder, save_embedding_layers=False)


class ShardedTrainer(Trainer):
    """The parts of transformers' Trainer that differ where the weights are shared out."""

    model: Any
    optimizer: Any
    lr_scheduler: Any
    eval_dataset: Any

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        if self.accelerator.distributed_type == DistributedType.MULTI_CPU:
            # accelerate 1.15 ignores the plugin there, and would train by DDP without a word.
            state = self.accelerator.state
            state.distributed_type = DistributedType.FSDP
            state.fsdp_plugin = FullyShardedDataParallelPlugin(**self.args.fsdp_plugin_args)
            self.is_fsdp_enabled = True

    def evaluation_loader(self) -> Iterable[dict[str, Any]]:
        """This process's batches, with one that has no labels where other processes have one more.

        All devices must run the same number of forward passes, since they gather layers together.
        """
        loader = super().evaluation_loader()  # type: ignore[misc]  # of CaptionTrainer
        yield from loader
        n_batches = math.ceil(len(self.eval_dataset) / self.args.per_device_eval_batch_size)
        if len(loader) < math.ceil(n_batches / self.args.world_size):
            batch = self.data_collator([self.eval_dataset[0]])
            yield {**batch, "labels": torch.full_like(batch["labels"], IGNORED)}

    def _prepare_for_training(self, max_steps, train_dataloader, resume_from_checkpoint):
        if resume_from_checkpoint is not None:
            # Before the weights are shared out: peft reads them as it does without sharding.
            super()._load_from_checkpoint(resume_from_checkpoint, self.model)
        return super()._prepare_for_training(max_steps, train_dataloader, resume_from_checkpoint)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None) -> None:
        """Nothing: _prepare_for_training has done it."""

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the adapter alone: Trainer would gather the base too, which may fit no machine."""
        save_adapter(self.model, Path(output_dir or str(self.args.output_dir)), self.args.should_save)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        state = self.optimizer.state_dict()
        state["state"] = {
            number: {name: whole(value) if torch.is_tensor(value) else value for name, value in values.items()}
            for number, values in state["state"].items()
        }
        if self.args.should_save:
            torch.save(state, Path(output_dir) / OPTIMIZER_NAME)
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        state = torch.load(Path(checkpoint) / OPTIMIZER_NAME, map_location="cpu", weights_only=True)
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        for number, values in state["state"].items():
            for name, value in values.items():
                if value.dim():  # not the count of steps
                    weight = weights[number]
                    values[name] = distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements)
        self.optimizer.load_state_dict(state)
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER_NAME, weights_only=True))
