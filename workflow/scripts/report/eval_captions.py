"""What a training wrote at its evaluations, for its place in the report: a few captions by step, and what they took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from report.inputs import Training
from training.caption_files import N_SHOWN


@dataclass(frozen=True)
class CaptionCourse:
    """The captions of one training by step; `share` is that of the training's time, None where it is not known."""

    metric: str
    n_samples: int
    best_score: float  # of the step whose adapter is kept
    best_by: str  # what chose this step: loss, or the metric
    share: float | None
    shown: list[dict[str, Any]]  # records of training/caption_files.py


def course_of_training(training: Training) -> CaptionCourse | None:
    """The course of a training's captions; None where it wrote none."""
    facts = training.facts.get("eval_captions")
    if not facts:
        return None
    seconds = training.facts.get("seconds")
    return CaptionCourse(
        metric=facts["metric"],
        n_samples=len(facts["samples"]),
        best_score=facts["best_score"],
        best_by=facts["best_by"],
        share=facts["seconds"] / seconds if seconds else None,
        shown=training.captions[:N_SHOWN],
    )
