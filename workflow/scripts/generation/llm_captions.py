"""From a base to captions: its engine, the most tokens of a prompt, and what was written as a record."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from core.command import InputError
from core.records import Caption
from generation.llm_engines import ENGINES, DecodingSettings, Engine, EngineJob, Prompt, Written, sample_seed
from models.language_models import context_length, read_config
from models.number_format import choose_dtype

N_ALONE = 16  # captions of a system and shard in 16 bits that are compared with those of the prompt alone


def prompt_limit(base: Path, config: Any, settings: DecodingSettings, key: str = "decoding.max_new_tokens") -> int:
    """The most tokens of a prompt: what the base reads without those that it may write. Raises InputError for none.

    `key` is what the configuration calls the number of these.
    """
    context = context_length(config)
    if context <= settings.max_new_tokens:
        raise InputError(
            f"{base} reads {context} tokens, and {key} {settings.max_new_tokens} leaves none for a prompt: lower it"
        )
    return context - settings.max_new_tokens


def load_engine(job: EngineJob) -> Engine:
    """The engine that the settings name. Raises InputError where it can't be imported."""
    return importlib.import_module(f"generation.llm_engines.{ENGINES[job.settings.engine]}").load_engine(job)


def caption_record(
    prompt: Prompt, written: Written, tokenizer: Any, seconds: float, same_alone: bool | None = None
) -> Caption:
    """What was written as a record."""
    return Caption.written(
        prompt.id,
        tokenizer.decode(written.tokens, skip_special_tokens=True),
        finish_reason="eos" if written.ended else "length",
        n_prompt_tokens=len(prompt.tokens),
        n_xml_tokens_removed=prompt.n_xml_tokens_removed,
        n_new_tokens=len(written.tokens),
        seconds=round(seconds, 4),
        same_alone=same_alone,
    )


def asked_alone(prompts: Sequence[Prompt], settings: DecodingSettings) -> set[str]:
    """The ids of the few prompts that are written after alone as well, the same in every run; none in fp32."""
    if choose_dtype(settings.dtype) == torch.float32:
        return set()
    return {prompt.id for prompt in sorted(prompts, key=lambda one: sample_seed(0, one.id))[:N_ALONE]}


def describe_alone(captions: Iterable[Caption]) -> str:
    """How many of the captions that were asked of are not those of the prompt alone; empty where none was."""
    answers = [caption.same_alone for caption in captions if caption.same_alone is not None]
    if not answers:
        return ""
    return f"in 16 bits {answers.count(False)} of {len(answers)} captions differ from those of the prompt alone"


def read_generation_config(base: Path) -> GenerationConfig:
    """The model's generation_config.json; what its config.json says where there is none."""
    if (base / "generation_config.json").is_file():
        return GenerationConfig.from_pretrained(base, local_files_only=True)
    return GenerationConfig.from_model_config(read_config(base))
