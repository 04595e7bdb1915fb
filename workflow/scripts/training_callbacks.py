"""What happens while a training runs: progress, the best adapter kept apart, early stopping by steps, a clean stop.

transformers counts early stopping in evaluations; here patience is optimizer steps since the best evaluation.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from command import Progress, say
from training_settings import TrainingSettings


def best_evaluation(log_history: list[dict[str, Any]], min_delta: float) -> tuple[int, float] | None:
    """Step and loss of the best evaluation so far: the last that was better by more than `min_delta`."""
    best = None
    for record in log_history:
        if "eval_loss" in record and (best is None or record["eval_loss"] < best[1] - min_delta):
            best = (record["step"], record["eval_loss"])
    return best


class KeepBest(TrainerCallback):
    """Saves the adapter of each best evaluation as `best-<step>` and stops when patience runs out.

    The number of checkpoints kept has no say here, so the best is never rotated away.
    """

    def __init__(self, folder: Path, settings: TrainingSettings):
        self.folder, self.settings = folder, settings
        self.stopped_early = False

    def path_of(self, step: int) -> Path:
        return self.folder / f"best-{step}"

    def on_evaluate(self, args, state, control, model=None, **kwargs) -> None:
        best = best_evaluation(state.log_history, self.settings.min_delta)
        assert best is not None, "an evaluation ran without a loss"
        if best[0] == state.global_step and state.is_world_process_zero:
            model.save_pretrained(self.path_of(state.global_step))
        patience = self.settings.patience_steps
        if patience is not None and state.global_step - best[0] >= patience:
            self.stopped_early = True
            control.should_training_stop = True

    def on_save(self, args, state, control, **kwargs) -> None:
        """Drop older bests; a run that resumes here needs none before the best up to here."""
        best = best_evaluation(state.log_history, self.settings.min_delta)
        if best and state.is_world_process_zero:
            for path in self.folder.glob("best-*"):
                if int(path.name.removeprefix("best-")) < best[0]:
                    shutil.rmtree(path)


class StopOnSignal(TrainerCallback):
    """SIGTERM (SLURM's warning before the time limit) saves a checkpoint and ends the training."""

    def __init__(self) -> None:
        self.received = False
        signal.signal(signal.SIGTERM, self._remember)

    def _remember(self, number: int, frame: object) -> None:
        self.received = True

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if self.received:
            control.should_save = True
            control.should_training_stop = True


class ShowProgress(TrainerCallback):
    """Progress lines, and the history as it grows in `history.jsonl` beside the checkpoints."""

    def __init__(self, name: str, n_steps: int, history: Path):
        self.name, self.n_steps, self.history = name, n_steps, history
        self.losses: dict[str, float] = {}

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.progress = Progress(f"train_lora {self.name}", self.n_steps - state.global_step, "step")
        self.progress.__enter__()
        self.start = time.monotonic()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if state.is_world_process_zero:
            self.progress.advance(1, **self.losses)

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        for key in ("loss", "eval_loss"):
            if logs and key in logs:
                self.losses[key] = float(logs[key])
        if state.is_world_process_zero:
            lines = (json.dumps(record) + "\n" for record in history_records(state.log_history))
            self.history.write_text("".join(lines), encoding="utf-8")

    def on_train_end(self, args, state, control, **kwargs) -> None:
        if state.is_world_process_zero:
            say(f"train_lora {self.name}", f"{state.global_step} steps, {time.monotonic() - self.start:.0f} s")


def history_records(log_history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The log of a training as records: step with loss, lr, grad norm, or with eval_loss."""
    names = {"step": "step", "loss": "loss", "eval_loss": "eval_loss", "learning_rate": "lr", "grad_norm": "grad_norm"}
    records = [{names[key]: value for key, value in record.items() if key in names} for record in log_history]
    return [record for record in records if "loss" in record or "eval_loss" in record]
