"""What a server sends, read without trust: an answer, or the reason why it is none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from generation.endpoints import Answer

MOST_CHARACTERS = 1_000_000  # of an answer
SHOWN = 300  # characters of a server's message


class BadAnswerError(Exception):
    """A response that is no chat completion: a page of a proxy, half a JSON text, an error with status 200."""


def read_answer(text: str, seconds: float, time: str) -> Answer:
    """The answer in the body of a response. Raises BadAnswerError for anything else."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError(f"it is no JSON: {shorten(text)!r}") from error
    if not isinstance(body, dict):
        raise BadAnswerError(f"it is no JSON object: {shorten(text)!r}")
    if body.get("error"):
        raise BadAnswerError(shorten(json.dumps(body["error"], ensure_ascii=False)))
    try:
        choice, usage = body["choices"][0], body.get("usage") or {}
        message = choice["message"]
        return Answer(
            text=_read_text(message.get("content")),
            finish_reason=_read_text(choice.get("finish_reason")),
            model=_read_text(body.get("model")),
            refusal=shorten(_read_text(message.get("refusal"))),
            n_prompt_tokens=_read_count(usage.get("prompt_tokens")),
            n_new_tokens=_read_count(usage.get("completion_tokens")),
            logprobs=_read_logprobs(choice.get("logprobs")),
            seconds=round(seconds, 4),
            time=time,
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise BadAnswerError(f"it has no choices[0].message ({error!r}): {shorten(text)!r}") from error


def shorten(text: str) -> str:
    """The beginning of a server's message, on one line."""
    folded = " ".join(text.split())
    return folded if len(folded) <= SHOWN else f"{folded[:SHOWN]}…"


def _read_text(value: Any) -> str:
    """A text that files can hold: lone surrogates become question marks. Raises TypeError for what is no text."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where a text is expected")
    if len(value) > MOST_CHARACTERS:
        raise ValueError(f"a text of {len(value):,} characters")
    return value.encode("utf-8", "replace").decode()


def _read_count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _read_logprobs(value: Any) -> list[dict[str, float]]:
    """Alternatives of each token with their logarithms, the written one last; empty where the server gives none."""
    tokens = value.get("content") if isinstance(value, Mapping) else None
    return [_read_alternatives(token) for token in tokens or []]


def _read_alternatives(token: Mapping[str, Any]) -> dict[str, float]:
    found = {_read_text(one["token"]): float(one["logprob"]) for one in token.get("top_logprobs") or []}
    written = _read_text(token["token"])
    found[written] = found.pop(written, float(token["logprob"]))
    if not all(math.isfinite(logprob) for logprob in found.values()):
        raise ValueError("a probability that is no number")
    return found
