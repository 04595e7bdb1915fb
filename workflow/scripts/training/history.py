"""The history of a training as records of numbers by step, and what follows from it: the best, patience, the end.

A record has `step` and either the training's numbers (`loss`, `lr`, `grad_norm`, `tokens_per_second`, and on a GPU
`gpu_memory_mb`) or the `eval_loss` of an evaluation, with `eval_<metric>` and `caption_seconds` where captions are
written; both have `time`, in seconds since 1970. A number that is not finite is written as null, so that every line is
JSON: such a loss means that the training has failed.

What is best is the lowest `eval_loss`, or the highest `eval_<metric>` where the settings say so (`best_by`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from core.records import json_line
from training.settings import LOSS

# Names of transformers' log and ours.
NAMES = {"learning_rate": "lr"}
KEPT = ("step", "loss", "eval_loss", "lr", "grad_norm", "tokens_per_second", "gpu_memory_mb", "time")
EVALUATED = "eval_"  # what the names of an evaluation's numbers begin with
CAPTION_SECONDS = "caption_seconds"

Records = Iterable[dict[str, Any]]


def best_evaluation(history: Records, best_by: str = LOSS) -> tuple[int, float] | None:
    """Step and value of the best evaluation, the first of equals; None without a finite value."""
    return last_improvement(history, 0.0, best_by)


def last_improvement(history: Records, min_delta: float, best_by: str = LOSS) -> tuple[int, float] | None:
    """Step and value of the last evaluation that was better by more than `min_delta` than the one before of its kind.

    A loss is better where it is lower, a metric where it is higher.
    """
    best, sign = None, 1 if best_by == LOSS else -1
    for record in history:
        value = record.get(EVALUATED + best_by)
        if value is None or not math.isfinite(value):
            continue
        if best is None or sign * value < sign * best[1] - min_delta:
            best = (record["step"], value)
    return best


def scored_metric(history: Records) -> str | None:
    """The metric that captions were scored by; None where none were written."""
    names = (key.removeprefix(EVALUATED) for record in history for key in record if key.startswith(EVALUATED))
    return next((name for name in names if name != LOSS), None)


def scored_steps(history: Records) -> list[int]:
    """The steps at whose evaluation captions were written."""
    return [record["step"] for record in history if CAPTION_SECONDS in record]


def caption_seconds(history: Records) -> float:
    """What writing and scoring captions took, in all evaluations of this history."""
    return sum(record.get(CAPTION_SECONDS, 0.0) for record in history)


def patience_left(history: list[dict[str, Any]], patience_steps: int, min_delta: float, best_by: str = LOSS) -> int:
    """Optimizer steps that may still pass without a better evaluation; 0 or less: the training stops.

    Before the first evaluation all are left. One whose value is not finite is no better one.
    """
    steps = [record["step"] for record in history if "eval_loss" in record]
    if not steps:
        return patience_steps
    improvement = last_improvement(history, min_delta, best_by)
    return patience_steps - (steps[-1] - (improvement[0] if improvement else 0))


def history_records(log_history: Records) -> list[dict[str, Any]]:
    """The log that transformers keeps, as records."""
    renamed = ({NAMES.get(key, key): value for key, value in record.items()} for record in log_history)
    records = ({key: _finite(record[key]) for key in kept_keys(record)} for record in renamed)
    return [record for record in records if "loss" in record or "eval_loss" in record]


def kept_keys(record: Mapping[str, Any]) -> list[str]:
    """The keys of a record that are kept, those of scores and their time last."""
    scores = [key for key in record if key.startswith(EVALUATED) and key not in KEPT]
    return [key for key in (*KEPT, *scores, CAPTION_SECONDS) if key in record]


def history_lines(log_history: Records) -> str:
    """The records as JSON lines."""
    return "".join(map(json_line, history_records(log_history)))


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
