"""A vision-language model scores a caption for its picture, in the manner of FLEUR (Lee et al., 2024).

    "FLEUR: An Explainable Reference-Free Evaluation Metric for Image Captioning Using a Large Multimodal Model",
    ACL 2024. The prompt is the paper's. The score is not the number that the model writes, but its expectation by the
    probabilities of the tokens: P(1) + P(0) x E[number behind "0."].

P(0) and P(1) are those of the answer's first token, made to sum to 1, and so are those of the numbers behind "0."; a
token of several digits (85) is the number 0.85. Where a server wrote 1.0, what stands behind "0." is not known, and
taken for 0.9, as FLEUR does. A local model is read behind "0." whatever it would write. It departs from FLEUR in that
the second decimal is read only where it is in the same token, and in that the probabilities of digits sum to 1.

Where less than half of the probability lies on numbers, the judge fails: the sample has no value, for any system
(score_judge.py). A failed caption scores 0. A drawing without a picture has no value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from generation.chats import Chat
from scoring.judgements import Verdict, WholeJudge
from scoring.metrics import ValueInfo

TASK = (
    "Your task is to evaluate and rate the caption on a scale of 0.0 to 1.0 based on the given Grading Criteria. "
    "(Print Real Number Score ONLY)"
)
CRITERIA = (
    "Grading Criteria:\n\n0.0: The caption does not describe the image at all.\n"
    "1.0: The caption accurately and clearly describes the image."
)
END = "Score(Choose a rating from 0.0 to 1.0):"
BEGINS = "0."  # the answer of a local model is read behind it
LEAST_MASS = 0.5  # of the probability, on tokens that are numbers
BEHIND_ONE = 0.9  # FLEUR's score of the alternative 0 where 1 was written
_NUMBER = re.compile(r"\d+")


class ImageJudge(WholeJudge):
    name = "image_judge"
    reads_pictures: ClassVar[bool] = True
    values: ClassVar = {
        "image_judge": ValueInfo("Image judge", 0, 1, note="a vision-language model's judgement, 0 to 1")
    }
    facts: ClassVar = {"prompt": "v1 (FLEUR, Lee et al., 2024)", "score": "expectation over the tokens of numbers"}
    second_run = "asked again with the caption before the criteria"
    max_new_tokens = 8
    n_logprobs = 20

    def question(self, caption: str, references: Sequence[str], png: bytes | None, is_second: bool) -> Chat:
        shown = f"Caption: {' '.join(caption.split())}"
        parts = [TASK, shown, CRITERIA, END] if is_second else [TASK, CRITERIA, shown, END]
        return Chat(("\n\n".join(parts),), png, BEGINS)

    def read(self, text: str, logprobs: Sequence[Mapping[str, float]]) -> Verdict:
        """The verdict in an answer, by the alternatives of each of its tokens, the written one last."""
        if not logprobs:
            return Verdict(None, fault="the server gives no probabilities of tokens (logprobs)")
        score = expected_score(logprobs)
        if score is None:
            return Verdict(None, fault=f"no number from 0.0 to 1.0: {' '.join(text.split())[:100]!r}")
        return Verdict(score)


def expected_score(logprobs: Sequence[Mapping[str, float]]) -> float | None:
    """The expectation of the score by the alternatives of each token; None where the answer is no number.

    The last key of each mapping is the token that was written. Tokens of white space before the number are passed over.
    """
    written = [(list(token) or [""])[-1] for token in logprobs]
    start = next((place for place, token in enumerate(written) if token.strip()), None)
    if start is None:
        return None
    first = written[start].strip()
    ones = share_of(logprobs[start], lambda token: token in ("0", "1", "0.", "1."), lambda token: float(token))
    if ones is None or first not in ("0", "1", "0.", "1."):
        return None
    if first.startswith("1"):
        return ones + (1 - ones) * BEHIND_ONE
    place = start + 1 if first == "0." else start + 2
    if place >= len(written) or (first == "0" and written[start + 1] != "."):
        return None
    behind = share_of(logprobs[place], lambda token: bool(_NUMBER.fullmatch(token)), lambda token: float(f"0.{token}"))
    return None if behind is None else ones + (1 - ones) * behind


def share_of(
    alternatives: Mapping[str, float], counts: Callable[[str], bool], value: Callable[[str], float]
) -> float | None:
    """The mean value of the tokens that count, by their probabilities; None where too little lies on these."""
    weights = [(math.exp(logprob), token.strip()) for token, logprob in alternatives.items() if counts(token.strip())]
    total = sum(weight for weight, _ in weights)
    if total < LEAST_MASS:
        return None
    return sum(weight * value(token) for weight, token in weights) / total


METRIC = ImageJudge()
