"""CogVLM (THUDM/cogvlm-chat-hf): code from the model's own folder, run only where the user opts in.

That code is of 2023 and needs the versions of envs/cogvlm.txt; this module runs with them and with the present ones.
The tokenizer is Vicuna's, from a folder of its own.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.command import InputError
from generation.captioners import CaptionerSettings, Output
from generation.captioners.generation import choose_device, decode_outputs, decoding_options, weight_options

if TYPE_CHECKING:
    from PIL.Image import Image

TOKEN_KEYS = ("input_ids", "token_type_ids", "attention_mask")


class CogVlm:
    """Captions by CogVLM."""

    def __init__(self, model: Any, tokenizer: Any, settings: CaptionerSettings):
        self.model, self.tokenizer, self.settings = model, tokenizer, settings

    def prepare(self, images: list[Image]) -> dict[str, Any]:
        """Tokens, their types and their mask (batch x length), and a list of image tensors for each row."""
        rows = [
            self.model.build_conversation_input_ids(
                self.tokenizer, query=self.settings.prompt, history=[], images=[image]
            )
            for image in images
        ]
        # One prompt and one image of fixed size a row: all rows are equally long.
        inputs: dict[str, Any] = {key: torch.stack([row[key] for row in rows]) for key in TOKEN_KEYS}
        inputs["images"] = [row["images"] for row in rows]
        return inputs

    @torch.inference_mode()
    def generate(self, inputs: dict[str, Any]) -> list[Output]:
        """CogVLM's outputs for the prompt."""
        device, dtype = choose_device(), self.model.dtype
        tokens = {key: inputs[key].to(device) for key in TOKEN_KEYS}
        images = [[image.to(device, dtype) for image in row] for row in inputs["images"]]
        end = self.tokenizer.eos_token_id
        options = {**decoding_options(self.settings), "eos_token_id": end, "pad_token_id": end}
        try:
            sequences = self.model.generate(**tokens, images=images, **options)
        except NotImplementedError as error:  # of xformers, whose attention has no kernels for CPUs
            raise InputError(f"CogVLM can't run on {device}: {' '.join(str(error).split())[:200]}") from error
        length = tokens["input_ids"].shape[1]
        return decode_outputs(sequences, length, [end], self.tokenizer, [length] * len(sequences))


def load_captioner(model: Path, tokenizer: Path, settings: CaptionerSettings, trust_remote_code: bool) -> CogVlm:
    """CogVLM from a folder with its code. Raises InputError without a prompt or an end token, and for beams."""
    if not settings.prompt:
        raise InputError("a cogvlm captioner needs a prompt in its settings, such as: Describe this image.")
    if settings.num_beams > 1:
        raise InputError("a cogvlm captioner decodes without beams, for which its code has no images: set num_beams: 1")
    with importable(model) as folder:
        loaded = AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=trust_remote_code, **weight_options(settings)
        )
    read = AutoTokenizer.from_pretrained(
        tokenizer,
        use_fast=False,  # as the authors do; the fast one splits some texts differently
        local_files_only=True,
        trust_remote_code=trust_remote_code and tokenizer == model,  # the user's word is for the model's folder
    )
    if read.eos_token_id is None:
        raise InputError(f"{tokenizer}: the tokenizer has no eos_token, so that no caption would end; add it")
    return CogVlm(loaded.eval(), read, settings)


@contextlib.contextmanager
def importable(model: Path) -> Iterator[Path]:
    """The model's folder by a name without dots: older versions of transformers import its code by that name."""
    if "." not in model.name:
        yield model
        return
    with tempfile.TemporaryDirectory() as temporary:
        link = Path(temporary) / model.name.replace(".", "_")
        link.symlink_to(model.resolve())
        yield link
