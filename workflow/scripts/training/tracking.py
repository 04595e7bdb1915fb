"""Weights & Biases and TensorBoard: what a training tells while it runs; no network unless it is asked for.

The run of W&B has one id for the whole training, kept beside the checkpoints, so that a resumed job continues its
curves (offline parts are joined by `wandb sync`). No key is written or shown here: W&B looks for it by itself.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, Literal

from transformers import TrainerCallback

from core.command import write_whole
from training.caption_files import N_SHOWN, read_steps
from training.history import CAPTION_SECONDS, EVALUATED, best_evaluation, history_records
from training.settings import TrainingSettings
from training.wandb_runs import QUIET, wandb_mode, wandb_project


def tracking_callbacks(
    name: str, settings: TrainingSettings, checkpoints: Path, config: dict[str, Any]
) -> list[TrainerCallback]:
    """The callbacks that the settings ask for; `config` is what a person compares runs by."""
    callbacks: list[TrainerCallback] = []
    if settings.wandb != "disabled":
        callbacks.append(
            TrackWandb(name, wandb_mode("train_lora", settings.wandb), checkpoints, config, settings.best_by)
        )
    if settings.tensorboard:
        callbacks.append(TrackTensorBoard(checkpoints.parent / "tensorboard", checkpoints))
    return callbacks


def captions_of(checkpoints: Path, record: dict[str, Any]) -> list[dict[str, Any]]:
    """`id`, `caption`, `reference` and `step` of a few captions of an evaluation; none of another record."""
    step = record["step"]
    if CAPTION_SECONDS not in record:
        return []
    return [
        {"id": one["id"], "caption": one["captions"][str(step)], "reference": one["references"][0], "step": step}
        for one in read_steps(checkpoints, [step], N_SHOWN)
    ]


class TrackWandb(TrainerCallback):
    """Sends the history's records to W&B, and the best step at the end."""

    def __init__(
        self,
        name: str,
        mode: Literal["offline", "online"],
        checkpoints: Path,
        config: dict[str, Any],
        best_by: str,
    ):
        self.name, self.mode, self.checkpoints, self.config = name, mode, checkpoints, config
        self.best_by = best_by
        self.run: Any = None

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        if not state.is_world_process_zero:
            return
        import wandb

        self.run = wandb.init(
            project=wandb_project(),
            name=self.name,
            id=run_id(self.checkpoints / "wandb_run_id.txt"),
            resume="allow",
            mode=self.mode,
            dir=self.checkpoints.parent,
            config=self.config,
            settings=wandb.Settings(**QUIET),
        )

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if self.run is not None:
            for record in history_records([{**logs, "step": state.global_step}]):
                told: dict[str, Any] = {key: value for key, value in record.items() if value is not None}
                if captions := captions_of(self.checkpoints, record):
                    import wandb

                    told["captions"] = wandb.Table(
                        columns=list(captions[0]), data=[[*one.values()] for one in captions]
                    )
                self.run.log(told)

    def on_train_end(self, args, state, control, **kwargs) -> None:
        if self.run is not None:
            best = best_evaluation(state.log_history, self.best_by)
            if best:
                self.run.summary.update({"best_step": best[0], f"best_{EVALUATED}{self.best_by}": best[1]})
            self.run.finish()


def run_id(path: Path) -> str:
    """The id of the training's run: the one of the interrupted job, else a new one."""
    if path.is_file():
        return path.read_text().strip()
    new = secrets.token_hex(6)
    with write_whole(path) as partial:
        partial.write_text(new)
    return new


class TrackTensorBoard(TrainerCallback):
    """Writes the history's numbers as TensorBoard scalars."""

    def __init__(self, folder: Path, checkpoints: Path):
        self.folder, self.checkpoints = folder, checkpoints
        self.writer: Any = None

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        if state.is_world_process_zero:
            from tensorboardX import SummaryWriter

            # Records after the checkpoint of a resumed job are written again: purge_step drops the old ones.
            self.writer = SummaryWriter(str(self.folder), purge_step=state.global_step + 1)

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if self.writer is not None:
            for record in history_records([{**logs, "step": state.global_step}]):
                for key in record.keys() - {"step", "time"}:
                    if record[key] is not None:
                        self.writer.add_scalar(f"train/{key}", record[key], state.global_step)
                for one in captions_of(self.checkpoints, record):
                    self.writer.add_text(f"captions/{one['id']}", one["caption"], state.global_step)

    def on_train_end(self, args, state, control, **kwargs) -> None:
        if self.writer is not None:
            self.writer.close()
