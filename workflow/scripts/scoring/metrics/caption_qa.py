"""Captions answer questions: a language model that sees the caption alone answers multiple-choice questions about it.

    In the manner of CaptionQA (Yang et al., 2025), "CaptionQA: Is Your Caption as Useful as the Image Itself?",
    arXiv 2511.21025. It departs from it in that a model has to choose: there is no option "cannot answer". What guesses
    are worth is shown by the floor, the same questions without a caption.

The value of a drawing is the share of its questions that are answered right, the corpus value the mean over drawings;
a drawing without questions has none. Options are in an order of the question's own (ChoiceQuestion.ordered), which is
the same for all systems. The model answers greedily with a letter. An answer without one is asked for once more; one
that has none then is a failure of the model, and never a wrong answer: the question is left out, for all systems
(score_judge.py). A failed caption scores 0, and no question is asked about it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from core.records import Sample
from generation.chats import Chat
from scoring.choice_questions import LETTERS
from scoring.judgements import Inquiry, Item, JudgeMetric, Verdict
from scoring.metrics import ValueInfo

PROMPT = """\
Answer a multiple-choice question about a picture. You cannot see the picture. All that you know of it is this caption.

Caption: {caption}

Question: {question}
{options}

Answer with the letter of one option and nothing else. Where the caption does not tell, choose the most likely option.\
"""
AGAIN = "That is no letter of an option. Answer with the letter of one option and nothing else."
# A letter alone; one at the beginning that a sign ends, as in "B) red"; the last one that is called the answer.
_ALONE = re.compile(r"[\W_]*([A-Z])[\W_]*")
_FIRST = re.compile(r"[\W_]*([A-Z])\s*[.:)\]*]")
_CALLED = re.compile(r"(?i:answer)(?i:\s+is)?[\s:*(\[]+([A-Z])(?=[.,;:!)\]*]|\s*$)", re.MULTILINE)


class CaptionQa(JudgeMetric):
    name = "caption_qa"
    needs_questions: ClassVar[bool] = True
    n_controls: ClassVar[int] = 2  # floor and ceiling
    values: ClassVar = {
        "caption_qa": ValueInfo("Caption QA", 0, 1, note="share of questions that the caption answers, 0 to 1")
    }
    facts: ClassVar = {
        "prompt": "v1 (after CaptionQA, Yang et al., 2025)",
        "decoding": "greedy",
        "retries": "1",
        "order": "by sha256 of id, question and option",
    }
    second_run = "asked again with the options moved on by one place"
    max_new_tokens = 16
    again = AGAIN

    def items(self, samples: Sequence[Sample]) -> list[Item]:
        """The questions about each sample."""
        asked = self.asked.by_id
        return [Item(place, one) for place, sample in enumerate(samples) for one in asked.get(sample.id, ())]

    def inquire(
        self, item: Item, caption: str, references: Sequence[str], png: bytes | None, is_second: bool
    ) -> Inquiry:
        question = item.asked
        order = question.ordered(1 if is_second else 0)
        options = "\n".join(
            f"{letter}. {question.options[place]}" for letter, place in zip(LETTERS, order, strict=False)
        )
        shown = " ".join(caption.split())
        chat = Chat((PROMPT.format(caption=shown, question=question.question, options=options),))

        def read(text: str, logprobs: Sequence[Mapping[str, float]]) -> Verdict:
            place = read_letter(text, len(order))
            if place is None:
                return Verdict(None, fault=f"no letter of an option: {' '.join(text.split())[:100]!r}")
            return Verdict(float(order[place] == question.answer), question.options[order[place]])

        return Inquiry(chat, read)


def read_letter(text: str, n_options: int) -> int | None:
    """The place of the option whose letter an answer gives; None where it gives none.

    What a model thinks before it answers is no answer.
    """
    text = text.rpartition("</think>")[2]
    found = _ALONE.fullmatch(text) or _FIRST.match(text) or next(reversed([*_CALLED.finditer(text)]), None)
    place = LETTERS.index(found[1]) if found else n_options
    return place if place < n_options else None


METRIC = CaptionQa()
