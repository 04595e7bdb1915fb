"""What judges have in common: the question about a caption, the verdict in the answer, and the metric made of them.

What is judged is an item: a caption, or what it says to one of several questions about its drawing. A judge is a model
that scores captions. It may fail to give a score; then the item counts for no system of the comparison, since a score
of 0 would say that the caption is bad, and a mean over other samples would be another task for one system.
"""

from __future__ import annotations

import abc
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from core.records import Caption, Sample
from generation.chats import Chat
from scoring.choice_questions import ChoiceQuestion, QuestionFile
from scoring.metrics import MeanMetric


@dataclass(frozen=True)
class Verdict:
    """A judge's score with its reason, or why there is none."""

    score: float | None
    reason: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Item:
    """What is judged of the caption of the sample at a place: all of it, or its answer to a question."""

    place: int
    question: ChoiceQuestion | None = None

    @property
    def asked(self) -> ChoiceQuestion:
        """The question of an item that has one."""
        assert self.question is not None
        return self.question


@dataclass(frozen=True)
class Inquiry:
    """What a judge is asked, and how its answer (text, alternatives of each token) is read."""

    chat: Chat
    read: Callable[[str, Sequence[Mapping[str, float]]], Verdict]


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
    needs_questions: ClassVar[bool] = False  # whether metric_options.<name>.questions must name a file of questions
    n_controls: ClassVar[int] = 0  # what it is asked about as well, in one run, as if it were so many systems
    second_run: ClassVar[str]  # how the second run differs, by which a judge's agreement with itself is measured
    max_new_tokens: ClassVar[int]  # of an answer
    n_logprobs: ClassVar[int] = 0  # alternatives of each token that it reads; 0 for none
    again: ClassVar[str] = ""  # asks for the form of the answer where the first one lacks it
    asked: QuestionFile = QuestionFile(())

    def asking(self, questions: QuestionFile) -> Self:
        """The metric with these questions."""
        made = copy.copy(self)
        made.asked = questions
        return made

    def items(self, samples: Sequence[Sample]) -> list[Item]:
        """What is judged of each sample's caption."""
        return [Item(place) for place in range(len(samples))]

    @abc.abstractmethod
    def inquire(
        self, item: Item, caption: str, references: Sequence[str], png: bytes | None, is_second: bool
    ) -> Inquiry:
        """What the judge is asked about a caption, in the first or the second run."""

    def values_of_samples(self, inputs: Judgements) -> dict[str, np.ndarray]:
        scores = [0.0 if one is None or one.score is None else one.score for one in inputs.verdicts]
        return {self.name: np.where(inputs.left_out, np.nan, np.array(scores, dtype=float))}


class WholeJudge(JudgeMetric):
    """A judge that is asked once about a caption."""

    @abc.abstractmethod
    def question(self, caption: str, references: Sequence[str], png: bytes | None, is_second: bool) -> Chat:
        """What the judge is asked."""

    @abc.abstractmethod
    def read(self, text: str, logprobs: Sequence[Mapping[str, float]]) -> Verdict:
        """The verdict in an answer."""

    def inquire(
        self, item: Item, caption: str, references: Sequence[str], png: bytes | None, is_second: bool
    ) -> Inquiry:
        return Inquiry(self.question(caption, references, png, is_second), self.read)


def left_out(
    items: Sequence[Item],
    captions: Mapping[str, Sequence[Caption]],
    verdicts: Mapping[str, Sequence[Verdict | None]],
    has_picture: Sequence[bool],
) -> np.ndarray:
    """The items that count for no system, (n items,): without a picture, and where the judge failed on any system.

    Captions and pictures are those of the samples, verdicts those on the items.
    """
    out = np.array([not has_picture[item.place] for item in items], dtype=bool)
    for system, found in verdicts.items():
        for number, (item, verdict) in enumerate(zip(items, found, strict=True)):
            failed = captions[system][item.place].status == "failed"
            if not failed and (verdict is None or verdict.score is None):
                out[number] = True
    return out


def merge_items(
    items: Sequence[Item], verdicts: Sequence[Verdict | None], out: np.ndarray, n_samples: int
) -> list[Verdict | None]:
    """The mean score of each sample's items that are not left out; None where none of them has a score."""
    scores: list[list[float]] = [[] for _ in range(n_samples)]
    for item, verdict, is_out in zip(items, verdicts, out, strict=True):
        if not is_out and verdict is not None and verdict.score is not None:
            scores[item.place].append(verdict.score)
    return [Verdict(float(np.mean(found))) if found else None for found in scores]


def samples_without(items: Sequence[Item], out: np.ndarray, n_samples: int) -> np.ndarray:
    """The samples of which no item counts, bool, (n samples,)."""
    without = np.ones(n_samples, dtype=bool)
    without[[item.place for item, is_out in zip(items, out, strict=True) if not is_out]] = False
    return without
