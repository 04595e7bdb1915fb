"""Captioners: models that read the image. One module a family; `load_captioner` in it returns a Captioner.

A new family is a module here, with `load_captioner(model, tokenizer, settings, trust_remote_code)`, and its name in the
configuration's schema. This file and cogvlm.py also run with the old transformers of envs/cogvlm.txt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image

FAMILIES = ("blip", "vision_encoder_decoder", "image_text_to_text", "cogvlm")


@dataclass(frozen=True)
class CaptionerSettings:
    """How a captioner writes; the keys of `captioners.<name>.settings` in the configuration.

    What is not said here (a repetition penalty, a shortest length) is as the model's own generation config says.
    """

    prompt: str = ""
    num_beams: int = 1
    max_new_tokens: int = 60
    batch_size: int = 8
    dtype: str = "auto"
    quantisation: str = "none"


@dataclass(frozen=True)
class Output:
    """What a captioner wrote for an image, without prompt and special tokens."""

    text: str
    finish_reason: str  # eos or length
    n_prompt_tokens: int | None  # None where a captioner reads no tokens
    n_new_tokens: int


class Captioner(Protocol):
    """Images in, outputs out, in two steps so that the next batch is prepared while the model works on this one."""

    model: Any  # of transformers, or of a folder's own code

    def prepare(self, images: list[Image]) -> Any:
        """The model's inputs for a batch of RGB images; called in a thread of its own."""

    def generate(self, inputs: Any) -> list[Output]:
        """One output for each image of the batch that `inputs` were prepared from."""
