"""What all families share: how weights are loaded, and how generated tokens become outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import transformers

from core.command import InputError
from generation.captioners import CaptionerSettings, Output
from models.number_format import choose_dtype

# transformers 5 calls it dtype; the one of envs/cogvlm.txt knows the old name only.
DTYPE_OPTION = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"


def choose_device() -> str:
    """The device that captioners run on."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def weight_options(settings: CaptionerSettings) -> dict[str, Any]:
    """Options of `from_pretrained`: local safetensors only, in the number format and on the device that are asked for.

    Raises InputError for 4-bit weights without a GPU.
    """
    dtype = choose_dtype(settings.dtype)
    options: dict[str, Any] = {DTYPE_OPTION: dtype, "use_safetensors": True, "local_files_only": True}
    if torch.cuda.is_available():
        options["device_map"] = {"": 0}
    if settings.quantisation == "nf4":
        if not torch.cuda.is_available():
            raise InputError("quantisation: nf4 needs a GPU, and there is none; set it to none")
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    return options


def decoding_options(settings: CaptionerSettings) -> dict[str, Any]:
    """Options of `generate`: always the likeliest caption, never a sampled one."""
    return {"num_beams": settings.num_beams, "max_new_tokens": settings.max_new_tokens, "do_sample": False}


def decode_outputs(
    sequences: torch.Tensor, start: int, end_ids: Sequence[int], tokenizer: Any, n_prompt_tokens: Sequence[int | None]
) -> list[Output]:
    """Outputs from generated tokens (batch x length) that begin at place `start` and end before one of `end_ids`."""
    rows = sequences[:, start:].tolist()
    return [
        _decode_output(row, end_ids, tokenizer, n_prompt) for row, n_prompt in zip(rows, n_prompt_tokens, strict=True)
    ]


def _decode_output(tokens: list[int], end_ids: Sequence[int], tokenizer: Any, n_prompt_tokens: int | None) -> Output:
    end = next((place for place, token in enumerate(tokens) if token in end_ids), None)
    kept = tokens if end is None else tokens[:end]
    return Output(
        text=tokenizer.decode(kept, skip_special_tokens=True),
        finish_reason="length" if end is None else "eos",
        n_prompt_tokens=n_prompt_tokens,
        n_new_tokens=len(kept),
    )


def end_tokens(model: Any) -> list[int]:
    """The tokens at which a model's generation config ends a text."""
    ids = model.generation_config.eos_token_id
    if ids is None:
        raise InputError(f"{model.name_or_path}: its generation_config.json has no eos_token_id; add it")
    return ids if isinstance(ids, list) else [ids]
