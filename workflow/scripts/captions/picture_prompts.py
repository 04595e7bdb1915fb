"""Pictures in prompts: what is shown of a drawing, and the tokens that a base's processor writes for a picture.

A chat template writes a token for a picture, and the processor puts a number of tokens in its place, which depends on
the size of the picture alone. Doing so for each prompt would read each picture anew with every try to shorten it, and
some processors take a picture's token that a drawing spells out for a picture. So prompts are tokenised as those
without pictures, and the tokens are put in here, found once for each size.

    drawings = PicturePrompts(processor, settings, "both", read_images(path))
    shown = drawings.show(sample)
    wording = choose_wording(tokenizer, processor, settings)
    wording.prompt(shown).ids + wording.caption("a red circle")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import PIL.Image

from captions.prompts import (
    TEMPLATE_OPTIONS,
    Example,
    PromptSettings,
    PromptTokens,
    caption_tokens,
    chat_messages,
    encode_chat,
    end_of_turn_ids,
    prompt_form,
    prompt_tokens,
)
from captions.shown import Shown, show_drawing
from core.command import InputError
from core.records import Image, Sample
from models.pictures import TOKEN_TYPES, CaptionerProcessor, token_types

# Code behind which a picture's tokens are sought, and two more that show whether these depend on it.
_PROBES = ("<svg/>", None, '<svg><rect width="1"/></svg>')


@dataclass(frozen=True)
class PictureTokens:
    """What stands for a picture in a prompt.

    `found` are the tokens of the template with its neighbours that change (a line feed before it may become one token
    with the processor's own), `written` those in their place, and `lead` what the processor puts before a prompt.
    """

    found: tuple[int, ...]
    written: tuple[int, ...]
    lead: tuple[int, ...] = ()

    def put_into(self, ids: Sequence[int]) -> list[int]:
        """The tokens of a prompt with those of its pictures."""
        full, place, n_found = list(self.lead), 0, len(self.found)
        while place < len(ids):
            is_found = tuple(ids[place : place + n_found]) == self.found
            full += self.written if is_found else (ids[place],)
            place += n_found if is_found else 1
        return full


class PicturePrompts:
    """What models that read pictures are shown of drawings; `input` is image or both."""

    def __init__(self, processor: Any, settings: PromptSettings, input: str, images: Iterable[Image]):
        if isinstance(processor, CaptionerProcessor) and input != "image":
            raise InputError(f"input: {input} needs a model that is asked by chat; this one takes no prompt: set image")
        self.processor, self.settings, self.input = processor, settings, input
        self.images = {image.id: image for image in images}
        self._tokens: dict[tuple[int, int], PictureTokens] = {}  # by size

    def show(self, sample: Sample) -> Shown:
        """A drawing with the tokens of its picture; without a usable picture it may be left out (captions/shown.py)."""
        image = self.images.get(sample.id)
        shown = show_drawing(sample, image, self.settings, self.input)
        if image is None or shown.png is None or isinstance(self.processor, CaptionerProcessor):
            return shown
        size = image.width, image.height
        if size not in self._tokens:
            self._tokens[size] = read_picture_tokens(self.processor, self.settings, *size)
        return dataclasses.replace(shown, tokens=self._tokens[size])


@dataclass(frozen=True)
class ChatWording:
    """How models are asked that take a prompt: by captions/prompts.py."""

    tokenizer: Any
    settings: PromptSettings

    @property
    def form(self) -> str:
        return prompt_form(self.tokenizer)

    def prompt(self, shown: Shown, examples: Sequence[Example] = (), limit: int | None = None) -> PromptTokens:
        """Tokens of the prompt for what is shown of a drawing."""
        settings = self.settings.asking(shown.question)
        return prompt_tokens(self.tokenizer, shown.xml, settings, examples, limit, shown.tokens)

    def caption(self, caption: str) -> list[int]:
        """Tokens of a caption with the one that ends it."""
        return caption_tokens(self.tokenizer, caption, self.settings)

    def end_ids(self, generation_config: Any) -> list[int]:
        """Every token that ends a caption."""
        return end_of_turn_ids(self.tokenizer, self.settings, generation_config)


@dataclass(frozen=True)
class CaptionerWording:
    """How encoder-decoder captioners write: from their start token, without a prompt."""

    processor: CaptionerProcessor
    form: str = "captioner's start token (it takes no prompt)"

    def prompt(self, shown: Shown, examples: Sequence[Example] = (), limit: int | None = None) -> PromptTokens:
        """The start token."""
        assert not examples, "no prompt shows examples"
        return PromptTokens([self.processor.decoder.start])

    def caption(self, caption: str) -> list[int]:
        """Tokens of a caption with the one that ends it."""
        ids = self.processor.tokenizer(caption.strip(), add_special_tokens=False, split_special_tokens=True)[
            "input_ids"
        ]
        return [*ids, self.processor.decoder.end]

    def end_ids(self, generation_config: Any) -> list[int]:
        """The token that ends a caption."""
        return [self.processor.decoder.end]


def choose_wording(tokenizer: Any, processor: Any, settings: PromptSettings) -> ChatWording | CaptionerWording:
    """How a base is asked; `processor` is None where it reads code alone."""
    if isinstance(processor, CaptionerProcessor):
        return CaptionerWording(processor)
    return ChatWording(tokenizer, settings)


def read_picture_tokens(processor: Any, settings: PromptSettings, width: int, height: int) -> PictureTokens:
    """What a processor writes for pictures of a size (pixels). Raises InputError where that depends on the code."""
    picture = PIL.Image.new("RGB", (width, height), "white")
    plain, full = zip(*(_encode_both(processor, settings, xml, picture) for xml in _PROBES), strict=True)
    tokens = _compare(plain[0], full[0])
    if any(tokens.put_into(short) != expected for short, expected in zip(plain, full, strict=True)):
        raise InputError(
            f"{type(processor).__name__} writes pictures into prompts in a way that is not supported: set input: code, "
            "or choose another base"
        )
    return tokens


def _encode_both(
    processor: Any, settings: PromptSettings, xml: str | None, picture: PIL.Image.Image
) -> tuple[list[int], list[int]]:
    """Tokens of a prompt by the tokenizer, and by the processor with a picture."""
    messages = chat_messages(settings, xml, has_picture=True)
    plain = encode_chat(processor.tokenizer, messages)
    # An option that the template does not read would be taken for one of the processor's call.
    template_options = {name: value for name, value in TEMPLATE_OPTIONS.items() if name in processor.chat_template}
    found = processor.apply_chat_template(
        messages,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"images": [picture]},
        **template_options,
    )
    for name, expected in token_types(processor, found["input_ids"]).items():
        if name not in found or not found[name].equal(expected):
            raise InputError(f"{type(processor).__name__} marks tokens by {name} in a way that is not supported")
    unknown = [name for name in TOKEN_TYPES if name in found and name not in processor.model_input_names]
    assert not unknown, f"{unknown} are given and not asked for"
    return plain, found["input_ids"][0].tolist()


def _compare(plain: list[int], full: list[int]) -> PictureTokens:
    """Where two prompts differ: between what they begin and what they end with."""
    lead = () if plain[0] == full[0] else (full[0],)  # the processor's start of text
    full = full[len(lead) :]
    most = min(len(plain), len(full))
    start = next((n for n in range(most) if plain[n] != full[n]), most)
    end = next((n for n in range(most - start) if plain[-1 - n] != full[-1 - n]), most - start)
    if start + end == len(plain):  # what is written begins with the template's token
        start -= 1
    return PictureTokens(tuple(plain[start : len(plain) - end]), tuple(full[start : len(full) - end]), lead)
