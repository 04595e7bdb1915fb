"""What happens while a training runs: the best adapter kept apart, early stopping by steps, a clean stop, progress.

transformers counts early stopping in evaluations; here patience is optimizer steps since the best evaluation.
"""

from __future__ import annotations

import math
import re
import signal
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from core.command import InputError, Progress, log, write_whole
from training.checkpoints import rotate_bests, rotate_checkpoints, write_checksums
from training.history import EVALUATED, best_evaluation, history_lines, patience_left
from training.settings import TrainingSettings
from training.sharding import save_adapter


class KeepBest(TrainerCallback):
    """Saves the adapter of each best evaluation as `best-<step>` and stops when patience runs out.

    The number of checkpoints kept has no say here, so the best is never rotated away.
    """

    def __init__(self, folder: Path, settings: TrainingSettings):
        self.folder, self.settings = folder, settings

    def path_of(self, step: int) -> Path:
        return self.folder / f"best-{step}"

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """The last step is evaluated in any case: it may be the best."""
        if state.global_step == state.max_steps:
            control.should_evaluate = True

    def on_evaluate(self, args, state, control, model=None, **kwargs) -> None:
        best = best_evaluation(state.log_history, self.settings.best_by)
        if best and best[0] == state.global_step:
            save_adapter(model, self.path_of(state.global_step), state.is_world_process_zero)
        if self.is_out_of_patience(state.log_history):
            control.should_training_stop = True

    def is_out_of_patience(self, log_history: list[dict[str, Any]]) -> bool:
        """Whether early stopping fires at the end of this history."""
        settings = self.settings
        if settings.patience_steps is None:
            return False
        return patience_left(log_history, settings.patience_steps, settings.min_delta, settings.best_by) <= 0


class KeepCheckpoints(TrainerCallback):
    """Writes a checkpoint's checksum manifest when all processes have written their part, then removes older ones.

    The loss is logged at each checkpoint, so that a record's mean never reaches over a resume: what was summed since
    the last record is not in a checkpoint.
    """

    def __init__(self, folder: Path, settings: TrainingSettings):
        self.folder, self.settings = folder, settings

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if control.should_save:
            control.should_log = True

    def on_save(self, args, state, control, **kwargs) -> None:
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if state.is_world_process_zero:
            write_checksums(self.folder / f"checkpoint-{state.global_step}")
            rotate_checkpoints(self.folder, self.settings.keep_checkpoints)
            rotate_bests(self.folder, state.log_history, self.settings.best_by)


class StopOnSignal(TrainerCallback):
    """SIGTERM (SLURM's warning before the time limit) saves a checkpoint and ends the training."""

    def __init__(self) -> None:
        self.received = False
        signal.signal(signal.SIGTERM, self._remember)

    def _remember(self, number: int, frame: object) -> None:
        self.received = True

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if torch.distributed.is_initialized():
            # The signal reaches processes at different steps; all must save the same one.
            received = torch.tensor(float(self.received), device=args.device)
            torch.distributed.all_reduce(received, torch.distributed.ReduceOp.MAX)
            self.received = bool(received)
        if self.received:
            control.should_save = True
            control.should_training_stop = True


class StopWhenUntrained(TrainerCallback):
    """Ends a training at its first step where adapters of a kind got no gradient: they would end as they began.

    A kind are the layers of one name at any number. It happens where a kernel reads the layers' weights past their
    adapters, or where text does not reach them.
    """

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs) -> None:
        if state.global_step:
            return
        weights = [(name, weight) for name, weight in model.named_parameters() if ".lora_B." in name]
        kinds = {re.sub(r"\d+", "N", name): False for name, _ in weights}
        for name, weight in weights:
            kinds[re.sub(r"\d+", "N", name)] |= weight.grad is not None and bool(weight.grad.any())
        still = [
            kind.split(".lora_B.")[0].removeprefix("base_model.model.") for kind, moves in kinds.items() if not moves
        ]
        if still:
            raise InputError(
                f"targets: {', '.join(still)} got no gradient in the first step: this model does not use an adapter "
                "there; leave it out"
            )


class StopWhenLost(TrainerCallback):
    """Ends a training whose loss is not a number: it never comes back, and every hour after it is for nothing."""

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        for key in ("loss", "eval_loss"):
            if not math.isfinite(logs.get(key, 0.0)):
                raise InputError(
                    f"the {key} is {logs[key]} at step {state.global_step}: the training is lost. Lower learning_rate, "
                    f"or set dtype: fp32, and remove {args.output_dir}, where all but best-* may be lost"
                )


class ShowProgress(TrainerCallback):
    """Progress lines, and the history as it grows in `history.jsonl` beside the checkpoints."""

    def __init__(self, name: str, n_steps: int, history: Path):
        self.name, self.n_steps, self.history = name, n_steps, history
        self.losses: dict[str, float] = {}

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        state.logging_steps = args.logging_steps  # a resumed state has that of its checkpoint
        self.progress = Progress(f"train_lora {self.name}", self.n_steps - state.global_step, "step")
        self.start = time.monotonic()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.is_world_process_zero:
            self.progress.advance(1, **self.losses)

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if not state.is_world_process_zero:
            return
        for key in logs:
            if key == "loss" or key.startswith(EVALUATED):
                self.losses[key] = float(logs[key])
        with write_whole(self.history) as partial:
            partial.write_text(history_lines(state.log_history), encoding="utf-8")

    def on_train_end(self, args, state, control, **kwargs) -> None:
        if state.is_world_process_zero:
            log(f"train_lora {self.name}", f"{state.global_step} steps, {time.monotonic() - self.start:.0f} s")
