"""What a training wrote at its evaluations, for its place in the report: a few captions by step, and what they took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from report.inputs import Training
from training.caption_files import N_SHOWN
from training.settings import LOSS


@dataclass(frozen=True)
class CaptionCourse:
    """The captions of one training by step; `share` is that of the training's time, None where it is not known."""

    metric: str
    n_samples: int
    best_step: int  # whose adapter is kept
    best_score: float  # of this step
    is_best_by_loss: bool  # else this score chose the step
    share: float | None
    shown: list[dict[str, Any]]  # records of training/caption_files.py


def course_of_training(training: Training, labels: Mapping[str, str]) -> CaptionCourse | None:
    """The course of a training's captions; None where it wrote none. `labels` are those of values, where known."""
    facts = training.facts.get("eval_captions")
    if not facts:
        return None
    seconds = training.facts.get("seconds")
    return CaptionCourse(
        metric=labels.get(facts["metric"], facts["metric"]),
        n_samples=len(facts["samples"]),
        best_step=training.facts["best_step"],
        best_score=facts["best_score"],
        is_best_by_loss=facts["best_by"] == LOSS,
        share=facts["seconds"] / seconds if seconds else None,
        shown=training.captions[:N_SHOWN],
    )
