"""Weights in other formats become safetensors: GGUF, and pickled state dicts, of which only tensors are unpickled."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from core.command import InputError, log, write_whole

PICKLED_SUFFIXES = (".pth", ".pt", ".bin")


def convert_gguf(path: Path, folder: Path) -> None:
    """Turn a GGUF file into bf16 safetensors with configuration and tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    log("fetch_model", f"converting {path.name} to safetensors")
    model = AutoModelForCausalLM.from_pretrained(
        path.parent,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
        gguf_file=path.name,
        local_files_only=True,
    )
    model.save_pretrained(folder)
    load_gguf_tokenizer(path).save_pretrained(folder)


def load_gguf_tokenizer(path: Path) -> Any:
    """The tokenizer that a GGUF file holds. Raises InputError where it holds none that can be read."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    except (ImportError, OSError, ValueError, struct.error) as error:  # the last for a file that is cut off
        raise InputError(f"{path}: its tokenizer can't be loaded ({' '.join(str(error).split())[:300]})") from error


def convert_pickled_weights(folder: Path) -> None:
    """Turn the pytorch_model files of a folder, one or more shards, into one safetensors file."""
    pickled = sorted(folder.glob("pytorch_model*.bin"))
    state: dict[str, Any] = {}
    for path in pickled:
        log("fetch_model", f"converting {path.name} to safetensors")
        state.update(read_state(path))
    if state:
        save_state(state, folder / "model.safetensors")
    for path in folder.glob("pytorch_model*"):
        path.unlink()


def read_state(path: Path) -> dict[str, Any]:
    """Read a pickled state dict; nothing but tensors and plain containers is unpickled."""
    import pickle

    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path.name} holds more than weights and was not loaded (it could run code)") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path.name} is no state dict (names to tensors)")
    return state


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write tensors as safetensors under their own names; tied tensors are written once for each name."""
    from safetensors.torch import save_file

    # save_file refuses tensors that share memory; the model ties them again when it is loaded.
    own = {name: tensor.clone().contiguous() for name, tensor in state.items()}
    with write_whole(path) as partial:
        save_file(own, partial, metadata={"format": "pt"})
