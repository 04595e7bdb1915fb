"""What a model is shown of a drawing: its code, its picture, or both, or nothing where it has no usable picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from captions.prompts import PromptSettings
from core.records import NO_IMAGE, Image, Sample

if TYPE_CHECKING:
    from captions.picture_prompts import PictureTokens


@dataclass(frozen=True)
class Shown:
    """What a model reads of a drawing: code, picture, or both; nothing of a drawing that is left out."""

    xml: str | None
    png: bytes | None = None
    tokens: PictureTokens | None = None  # what a local model's processor writes for the picture
    fault: str = ""  # why there is no picture
    question: str = ""  # of the sample

    @property
    def is_left_out(self) -> bool:
        return self.xml is None and self.png is None


def show_code(sample: Sample) -> Shown:
    """What models that read code alone are shown of a drawing."""
    return Shown(sample.xml, question=sample.question)


def show_drawing(sample: Sample, image: Image | None, settings: PromptSettings, input: str) -> Shown:
    """What a model with that input is shown.

    A drawing whose picture is missing or blank is left out, or shown as code by prompt.missing_picture.
    """
    if input == "code":
        return show_code(sample)
    fault = image.fault if image else NO_IMAGE
    if fault or image is None:
        uses_code = input == "both" and settings.missing_picture == "use_code"
        return Shown(sample.xml if uses_code else None, fault=fault, question=sample.question)
    return Shown(sample.xml if input == "both" else None, image.png, question=sample.question)
