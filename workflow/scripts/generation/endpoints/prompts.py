"""Requests for captions: the prompts of captions/prompts.py as messages of the API, pictures as data URLs.

No tokenizer of the model is here, so prompt.max_tokens is kept by an estimate (samples/split_statistics.py): a longer
drawing is shortened inside its xml as it is for local models.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from captions.prompts import PromptSettings, chat_messages, shorten_svg, without_namespace
from captions.shown import show_drawing
from core.records import Caption, Image, Sample
from generation.endpoints import Endpoint, Request
from generation.endpoints.estimate import Estimate
from generation.endpoints.store import AnswerStore
from samples.questions import check_questions
from samples.split_statistics import count_tokens

PICTURE_PATCH = 28  # pixels a side for a token of a picture: what several models take, as an estimate
TURN_TOKENS = 4  # that a chat template writes around a message, about


@dataclass(frozen=True)
class CaptionRequest:
    """The request for a sample's caption. Numbers of tokens are estimates."""

    id: str
    request: Request
    n_prompt_tokens: int
    n_xml_tokens_removed: int | None  # None where no code is shown


def caption_requests(
    samples: Sequence[Sample], images: Mapping[str, Image], endpoint: Endpoint, settings: PromptSettings, input: str
) -> tuple[list[CaptionRequest], list[Caption]]:
    """A request for each sample that can be shown, and failed records of the others, with the reason.

    Raises InputError where prompts ask questions and a sample has none.
    """
    if settings.asked == "question":
        check_questions(samples)
    requests, failed = [], []
    for sample in samples:
        image = images.get(sample.id)
        shown = show_drawing(sample, image, settings, input)
        if shown.is_left_out:
            failed.append(Caption(sample.id, "", "failed", shown.fault))
            continue
        n_picture = picture_tokens(image) if image and shown.png else 0
        asked = settings.asking(shown.question)
        xml, n_tokens, n_removed = fit_code(without_namespace(shown.xml), asked, n_picture)
        messages = as_messages(chat_messages(asked, xml, has_picture=shown.png is not None), shown.png)
        request = Request(endpoint.base_url, endpoint.model, messages, endpoint.max_new_tokens)
        requests.append(CaptionRequest(sample.id, request, n_tokens, None if xml is None else n_removed))
    return requests, failed


def estimate_captions(asked: Sequence[CaptionRequest], store: AnswerStore) -> Estimate:
    """What the requests will cost that the store has no answer to."""
    waiting = [one for one in asked if store.get(one.request.digest) is None]
    n_prompt_tokens = sum(one.n_prompt_tokens for one in waiting)
    n_new_tokens = sum(one.request.max_new_tokens for one in waiting)
    return Estimate(len(asked), len(asked) - len(waiting), n_prompt_tokens, n_new_tokens)


def picture_tokens(image: Image) -> int:
    """About how many tokens a picture takes."""
    return -(-image.width // PICTURE_PATCH) * -(-image.height // PICTURE_PATCH)


def fit_code(xml: str | None, settings: PromptSettings, n_picture: int) -> tuple[str | None, int, int]:
    """The xml, shortened until the prompt has about `settings.max_tokens`; the prompt's tokens, and those removed."""

    def n_tokens(code: str | None) -> int:
        texts = [message["content"] for message in chat_messages(settings, code)]
        return sum(count_tokens(text) + TURN_TOKENS for text in texts) + n_picture

    whole = n_tokens(xml)
    if xml is None or whole <= settings.max_tokens:
        return xml, whole, 0
    low, high = 0, len(xml)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if n_tokens(shorten_svg(xml, middle)) <= settings.max_tokens else (low, middle)
    shortened = shorten_svg(xml, low)
    return shortened, n_tokens(shortened), whole - n_tokens(shortened)


def as_messages(chat: Sequence[Mapping[str, Any]], png: bytes | None) -> list[dict[str, Any]]:
    """Messages as the API takes them: texts alone are no lists of parts, and the picture is a data URL."""
    messages = []
    for message in chat:
        content = message["content"]
        if isinstance(content, list):
            parts = [picture_part(png) if part["type"] == "image" and png else part for part in content]
            content = parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts
        messages.append({"role": message["role"], "content": content})
    return messages


def picture_part(png: bytes) -> dict[str, Any]:
    """A picture as a part of a message."""
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(png).decode()}"}}
