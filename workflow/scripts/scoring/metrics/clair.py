"""CLAIR (Chan et al., 2023): a language model says how likely caption and references describe the same picture.

    "CLAIR: Evaluating Image Captions with Large Language Models", EMNLP 2023. The prompt is the paper's, with the
    caption as the candidate set. The model answers with JSON, a score of 0 to 100 and its reason.

The value is the score / 100, the corpus value its mean. The judge answers greedily. An answer that holds no such JSON
is asked for once more, in a second turn; one that holds none then is a failure of the judge, and never a 0: the sample
has no value, for any system (score_judge.py). A failed caption scores 0 and is not shown to the judge.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from generation.chats import Chat
from scoring.judgements import Verdict, WholeJudge
from scoring.metrics import ValueInfo

PROMPT = """\
You are trying to tell if a candidate set of captions is describing the same image as a reference set of captions.
{sets}
On a precise scale from 0 to 100, how likely is it that the candidate set is describing the same image as the \
reference set? (JSON format, with a key "score", value between 0 and 100, and a key "reason" with a string value.)
"""
AGAIN = 'That is not the JSON that was asked for. Answer with {"score": number from 0 to 100, "reason": text} alone.'
_DECODER = json.JSONDecoder()


class Clair(WholeJudge):
    name = "clair"
    values: ClassVar = {"clair": ValueInfo("CLAIR", 0, 1, note="a language model's judgement, 0 to 1")}
    facts: ClassVar = {"prompt": "v1 (Chan et al., 2023)", "decoding": "greedy", "retries": "1"}
    second_run = "asked again with the references first and in reverse order"
    max_new_tokens = 256
    again = AGAIN

    def question(self, caption: str, references: Sequence[str], png: bytes | None, is_second: bool) -> Chat:
        sets = [f"Candidate set:\n{list_captions([caption])}", f"Reference set:\n{list_captions(references)}"]
        if is_second:
            sets = [f"Reference set:\n{list_captions([*reversed(references)])}", sets[0]]
        return Chat((PROMPT.format(sets="\n".join(sets)),))

    def read(self, text: str, logprobs: Sequence[Mapping[str, float]]) -> Verdict:
        found = read_verdict(text)
        if found is None:
            return Verdict(None, fault=f"no JSON with a score from 0 to 100: {' '.join(text.split())[:100]!r}")
        return Verdict(*found)


def list_captions(captions: Sequence[str]) -> str:
    """Captions as the paper's prompt lists them; each is one line."""
    return "".join(f"- {' '.join(caption.split())}\n" for caption in captions).rstrip("\n")


def read_verdict(text: str) -> tuple[float, str] | None:
    """Score (0 to 1) and reason of the first JSON object in a text that has a score from 0 to 100; None without one."""
    for start in (place for place, sign in enumerate(text) if sign == "{"):
        try:
            found: Any = _DECODER.raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            continue
        score = _as_number(found.get("score"))
        if score is not None and 0 <= score <= 100:
            reason = found.get("reason")
            return score / 100, " ".join(reason.split()) if isinstance(reason, str) else ""
    return None


def _as_number(value: Any) -> float | None:
    """A JSON number, or a text that is one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


METRIC = Clair()
