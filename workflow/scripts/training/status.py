"""Where a training stands, from the files in its folder alone: no process is asked, so it works across a cluster.

Input: adapters/<model>/ of an experiment, running (checkpoints/plan.json, checkpoints/history.jsonl) or done
(training.json, settings.json, history.jsonl). Output: a Status.
"""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.command import InputError, format_duration
from core.records import MissingFile, read_json, read_json_lines
from training.caption_files import N_SHOWN, read_result, read_steps
from training.history import (
    EVALUATED,
    best_evaluation,
    caption_seconds,
    patience_left,
    scored_metric,
    scored_steps,
)
from training.settings import LOSS

# Silent: nothing was logged for this many times the usual gap between records, and at least as many seconds.
SILENT_GAPS, SILENT_SECONDS = 10, 300
# Rising: this many evaluations in a row were worse than the one before, or the last losses by a tenth.
RISING_EVALUATIONS, RISING_LOSSES, RISING_FACTOR = 3, 5, 1.1
# The pace is that of the last records, so that the time left follows a change.
RECORDS_FOR_PACE = 10

Point = tuple[int, float]


@dataclass
class Status:
    """A training as a person wants to see it. Points are (step, number); seconds are wall-clock time."""

    name: str
    state: str  # preparing, running, silent, done, stopped early
    step: int = 0
    n_steps: int = 0
    losses: list[Point] = field(default_factory=list)
    eval_losses: list[Point] = field(default_factory=list)
    lr: float | None = None
    tokens_per_second: float | None = None
    best: Point | None = None
    best_by: str = LOSS
    metric: str | None = None  # by which captions are scored while it trains
    scores: list[Point] = field(default_factory=list)
    caption_share: float | None = None  # of the training's time
    captions: list[dict[str, Any]] = field(default_factory=list)  # records of caption_files.py, of a few samples
    patience_left: int | None = None
    seconds_left: float | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "stopped early")


def read_statuses(folder: Path, now: float) -> list[Status]:
    """The trainings of an experiment's folder (or of its adapters/), by name. Raises InputError where there is none."""
    adapters = folder / "adapters" if (folder / "adapters").is_dir() else folder
    if not adapters.is_dir():
        raise InputError(f"{folder} does not exist; give the folder of an experiment, results/<experiment>")
    statuses = [status for path in sorted(adapters.iterdir()) if path.is_dir() and (status := read_status(path, now))]
    if not statuses:
        raise InputError(f"{folder} has no training yet: none has started, or this is no folder of an experiment")
    return statuses


def read_status(folder: Path, now: float) -> Status | None:
    """The status of one training; None for a folder without one."""
    if (summary := _read_json(folder / "training.json")) is not None:
        settings = _read_json(folder / "settings.json") or {}
        planned = {"steps": summary["planned_steps"], **settings}
        history = read_history(folder / "history.jsonl")
        status = describe(folder.name, planned, history, None)
        status.state = "stopped early" if summary["stop_reason"] != "all steps done" else "done"
        return add_captions(status, history, summary.get("seconds", 0.0), read_result(folder))
    checkpoints = folder / "checkpoints"
    if (plan := _read_json(checkpoints / "plan.json")) is not None:
        history = read_history(checkpoints / "history.jsonl")
        status = describe(folder.name, plan, history, now)
        seconds = (_read_json(checkpoints / "effort.json") or {}).get("seconds", 0.0)
        return add_captions(status, history, seconds, read_captions(checkpoints, history))
    return Status(folder.name, "preparing") if checkpoints.is_dir() else None


def add_captions(
    status: Status, history: list[dict[str, Any]], seconds: float, captions: list[dict[str, Any]]
) -> Status:
    """The status with what was captioned at evaluations; `seconds` are those of the whole training so far."""
    status.metric = scored_metric(history)
    if status.metric:
        status.scores = _points(history, EVALUATED + status.metric)
        status.caption_share = caption_seconds(history) / seconds if seconds else None
        status.captions = captions[:N_SHOWN]
    return status


def describe(name: str, plan: dict[str, Any], history: list[dict[str, Any]], now: float | None) -> Status:
    """The status that follows from the plan and the history; `now` is None where the training is over."""
    trained = [record for record in history if "loss" in record]
    best_by = plan.get("best_by", LOSS)
    status = Status(
        name,
        "running",
        step=history[-1]["step"] if history else 0,
        n_steps=plan["steps"],
        losses=_points(history, "loss"),
        eval_losses=_points(history, "eval_loss"),
        lr=trained[-1]["lr"] if trained else None,
        tokens_per_second=trained[-1].get("tokens_per_second") if trained else None,
        best=best_evaluation(history, best_by),
        best_by=best_by,
    )
    if plan.get("patience_steps") is not None:
        status.patience_left = max(0, patience_left(history, plan["patience_steps"], plan["min_delta"], best_by))
    status.warnings = find_faults(history)
    if now is not None:
        gap = usual_gap(trained)
        if gap is not None:
            status.seconds_left = gap[0] * (status.n_steps - status.step)
        silence = now - (history[-1]["time"] if history else plan["started"])
        if silence > max(SILENT_SECONDS, SILENT_GAPS * gap[1] if gap else 0):
            status.state = "silent"
            status.warnings.append(f"nothing logged for {format_duration(silence)}: killed, waiting, or stuck")
    return status


def find_faults(history: list[dict[str, Any]]) -> list[str]:
    """What a person should look at: losses that are no numbers, or that rise."""
    faults = []
    for key, label in (("loss", "loss"), ("eval_loss", "validation loss")):
        broken = [record["step"] for record in history if key in record and record[key] is None]
        if broken:
            faults.append(f"the {label} is no number since step {broken[0]}")
    evaluations = [loss for _, loss in _points(history, "eval_loss")][-RISING_EVALUATIONS - 1 :]
    if len(evaluations) > RISING_EVALUATIONS and evaluations == sorted(set(evaluations)):
        faults.append(f"the validation loss has risen {RISING_EVALUATIONS} times in a row")
    losses = [loss for _, loss in _points(history, "loss")]
    last, before = losses[-RISING_LOSSES:], losses[-2 * RISING_LOSSES : -RISING_LOSSES]
    if len(before) == RISING_LOSSES and statistics.mean(last) > RISING_FACTOR * statistics.mean(before):
        faults.append(f"the loss is rising: {statistics.mean(before):.3g} to {statistics.mean(last):.3g}")
    return faults


def usual_gap(trained: list[dict[str, Any]]) -> tuple[float, float] | None:
    """Seconds a step and seconds between records, as the median of the last ones; None before the second record.

    The median passes over evaluations and over the pause before a resume.
    """
    recent = trained[-RECORDS_FOR_PACE - 1 :]
    pairs = [(a, b) for a, b in itertools.pairwise(recent) if b["step"] > a["step"]]
    if not pairs:
        return None
    seconds = [b["time"] - a["time"] for a, b in pairs]
    a_step = statistics.median((b["time"] - a["time"]) / (b["step"] - a["step"]) for a, b in pairs)
    return a_step, statistics.median(seconds)


def read_history(path: Path) -> list[dict[str, Any]]:
    """The records of a history; none where the file is not there yet (or any more)."""
    try:
        return read_json_lines(path)
    except MissingFile:
        return []


def read_captions(checkpoints: Path, history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The captions of a few samples at all evaluations; none where the training has just ended and moved them."""
    try:
        return read_steps(checkpoints, scored_steps(history), N_SHOWN)
    except MissingFile:
        return []


def _points(history: list[dict[str, Any]], key: str) -> list[Point]:
    return [(record["step"], record[key]) for record in history if record.get(key) is not None]


def _read_json(path: Path) -> dict[str, Any] | None:
    """A JSON file that may be gone the next moment: a training that ends replaces its files."""
    try:
        return read_json(path)
    except MissingFile:
        return None
