"""Engines that let an LLM write: prompts as tokens in, what was written as tokens out.

`torch_engine` (transformers) is the default; `vllm_engine` needs vLLM, which is installed by choice. An engine knows
models, adapters, batches and memory; it knows nothing of texts, records or files. One module an engine; `load_engine`
in it returns an Engine. A new one is a module here and its name in the configuration's schema.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.command import InputError

ENGINES = {"transformers": "torch_engine", "vllm": "vllm_engine"}

# Settings that change the speed and not what is decoded.
ONLY_SPEED = ("batch_tokens", "cuda_graphs")


@dataclass(frozen=True)
class DecodingSettings:
    """How captions are decoded; the keys of `decoding` in the configuration."""

    engine: str = "transformers"
    max_new_tokens: int = 128
    num_beams: int = 1
    do_sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    batch_tokens: int = 16384
    dtype: str = "auto"
    attention: str = "auto"
    cuda_graphs: bool = False

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise InputError(f"decoding.engine: {self.engine!r} is none of {', '.join(ENGINES)}")
        if self.do_sample and self.num_beams > 1:
            raise InputError("decoding: do_sample and num_beams > 1 exclude each other; choose one")


@dataclass(frozen=True)
class Prompt:
    """A sample's prompt as tokens, with the pictures that stand in it, in their order."""

    id: str
    tokens: list[int]
    n_xml_tokens_removed: int | None = 0  # by how much it was shortened; None where no code is shown
    pngs: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Written:
    """The tokens that were written after a prompt, without the one that ends the turn."""

    tokens: list[int]
    ended: bool  # False: cut at max_new_tokens


@dataclass(frozen=True)
class EngineJob:
    """What an engine has to know before it loads anything."""

    base: Path
    adapters: list[Path]  # that it will be active
    end_ids: list[int]  # tokens that end a caption
    pad_id: int
    most_tokens: int  # of the longest prompt with its caption
    settings: DecodingSettings
    seed: int
    reads_pictures: bool = False


class Engine(Protocol):
    """A base model that writes, with one adapter at a time or none."""

    def activate(self, adapter: Path | None) -> None:
        """Write with this adapter from now on; None: as the bare base."""

    def plan(self, prompts: list[Prompt]) -> list[list[Prompt]]:
        """All prompts of a system in batches, the same in every run."""

    def write(self, batch: list[Prompt]) -> list[Written]:
        """What is written after each prompt of a batch, in its order."""


def written_before_end(tokens: list[int], end_ids: list[int]) -> Written:
    """Generated tokens up to the first one that ends the turn."""
    end = next((place for place, token in enumerate(tokens) if token in end_ids), None)
    return Written(tokens if end is None else tokens[:end], end is not None)


def sample_seed(seed: int, id_: str) -> int:
    """The seed of a sample, so that what is drawn for it depends neither on its batch nor on what was made before."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{id_}".encode()).digest()[:4], "big")
