"""The history of a training as records of numbers by step, and what follows from it: the best, patience, the end.

A record has `step` and either the training's numbers (`loss`, `lr`, `grad_norm`, `tokens_per_second`, and on a GPU
`gpu_memory_mb`) or the `eval_loss` of an evaluation; both have `time`, in seconds since 1970. A number that is not
finite is written as null, so that every line is JSON: such a loss means that the training has failed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from core.records import json_line

# Names of transformers' log and ours.
NAMES = {"learning_rate": "lr"}
KEPT = ("step", "loss", "eval_loss", "lr", "grad_norm", "tokens_per_second", "gpu_memory_mb", "time")

Records = Iterable[dict[str, Any]]


def best_evaluation(history: Records) -> tuple[int, float] | None:
    """Step and loss of the evaluation with the lowest loss, the first of equals; None without a finite one."""
    return last_improvement(history, 0.0)


def last_improvement(history: Records, min_delta: float) -> tuple[int, float] | None:
    """Step and loss of the last evaluation that was better by more than `min_delta` than the one before of its kind."""
    best = None
    for record in history:
        loss = record.get("eval_loss")
        if loss is not None and math.isfinite(loss) and (best is None or loss < best[1] - min_delta):
            best = (record["step"], loss)
    return best


def patience_left(history: list[dict[str, Any]], patience_steps: int, min_delta: float) -> int:
    """Optimizer steps that may still pass without a better evaluation; 0 or less: the training stops.

    Before the first evaluation all are left. One whose loss is not finite is no better one.
    """
    steps = [record["step"] for record in history if "eval_loss" in record]
    if not steps:
        return patience_steps
    improvement = last_improvement(history, min_delta)
    return patience_steps - (steps[-1] - (improvement[0] if improvement else 0))


def history_records(log_history: Records) -> list[dict[str, Any]]:
    """The log that transformers keeps, as records."""
    renamed = ({NAMES.get(key, key): value for key, value in record.items()} for record in log_history)
    records = ({key: _finite(record[key]) for key in KEPT if key in record} for record in renamed)
    return [record for record in records if "loss" in record or "eval_loss" in record]


def history_lines(log_history: Records) -> str:
    """The records as JSON lines."""
    return "".join(map(json_line, history_records(log_history)))


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
