"""The faults of a training's LoRA settings that its schema can't know: settings that exclude each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def adapter_faults(key: str, settings: dict[str, Any], engine: str) -> Iterator[str]:
    """The faults of the resolved settings under `key`, with the engine that writes the captions."""
    for name in ("use_dora", "trained_modules"):
        if settings[name] and engine == "vllm":
            yield f"{key}.{name}: vllm loads no such adapter; set decoding.engine: transformers, or remove it"
    if settings["init"] == "pissa" and settings["quantisation"] != "none":
        yield f"{key}.init: pissa changes the base's weights, which 4 bit does not allow; set quantisation: none"
    if settings["trained_modules"] and settings["dtype"] != "fp32":
        yield f"{key}.trained_modules: in 16 bits small steps of whole weights vanish by rounding; set dtype: fp32"
    if settings["last_layers"] is not None and settings["bias"] == "all":
        yield f"{key}.bias: all trains the biases of every layer, past last_layers; set lora_only"
