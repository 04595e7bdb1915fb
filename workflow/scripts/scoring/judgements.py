"""What judges have in common: the question about a caption, the verdict in the answer, and the metric made of them.

A judge is a model that scores captions. It may fail to give a score; then the sample has no value, for any system of
the comparison, since a score of 0 would say that the caption is bad, and a mean over other samples would be another
task for one system.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from core.records import Caption
from generation.chats import Chat
from scoring.metrics import MeanMetric


@dataclass(frozen=True)
class Verdict:
    """A judge's score with its reason, or why there is none."""

    score: float | None
    reason: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Judgements:
    """A system's captions with a verdict for each; None where the judge was not asked."""

    captions: list[Caption]
    verdicts: list[Verdict | None]
    left_out: np.ndarray  # bool: no value for any system, (n samples,)

    @property
    def failed(self) -> np.ndarray:
        """Which captions are failed records, (n samples,)."""
        return np.array([caption.status == "failed" for caption in self.captions], dtype=bool)


class JudgeMetric(MeanMetric):
    """A metric of one value, which is its name: the mean of a judge's scores."""

    needs_judge: ClassVar[bool] = True
    second_run: ClassVar[str]  # how the second run differs, by which a judge's agreement with itself is measured
    max_new_tokens: ClassVar[int]  # of an answer
    n_logprobs: ClassVar[int] = 0  # alternatives of each token that it reads; 0 for none
    again: ClassVar[str] = ""  # asks for the form of the answer where the first one lacks it

    @abc.abstractmethod
    def question(self, caption: str, references: Sequence[str], png: bytes | None, is_second: bool) -> Chat:
        """What the judge is asked about a caption, in the first or the second run."""

    @abc.abstractmethod
    def read(self, text: str, logprobs: Sequence[Mapping[str, float]]) -> Verdict:
        """The verdict in an answer."""

    def values_of_samples(self, inputs: Judgements) -> dict[str, np.ndarray]:
        scores = [0.0 if one is None or one.score is None else one.score for one in inputs.verdicts]
        return {self.name: np.where(inputs.left_out, np.nan, np.array(scores, dtype=float))}


def left_out(
    captions: Mapping[str, Sequence[Caption]],
    verdicts: Mapping[str, Sequence[Verdict | None]],
    has_picture: Sequence[bool],
) -> np.ndarray:
    """The samples without a value, (n samples,): those without a picture, and where the judge failed on any system."""
    out = ~np.array(has_picture, dtype=bool)
    for system, found in verdicts.items():
        for place, (caption, verdict) in enumerate(zip(captions[system], found, strict=True)):
            if caption.status != "failed" and (verdict is None or verdict.score is None):
                out[place] = True
    return out
