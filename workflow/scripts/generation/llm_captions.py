"""From a base to captions: its engine, the most tokens of a prompt, and what was written as a record."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from core.command import InputError
from core.records import Caption
from generation.llm_engines import ENGINES, DecodingSettings, Engine, EngineJob, Prompt, Written
from models.language_models import context_length, read_config


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


def caption_record(prompt: Prompt, written: Written, tokenizer: Any, seconds: float) -> Caption:
    """What was written as a record."""
    return Caption.written(
        prompt.id,
        tokenizer.decode(written.tokens, skip_special_tokens=True),
        finish_reason="eos" if written.ended else "length",
        n_prompt_tokens=len(prompt.tokens),
        n_xml_tokens_removed=prompt.n_xml_tokens_removed,
        n_new_tokens=len(written.tokens),
        seconds=round(seconds, 4),
    )


def read_generation_config(base: Path) -> GenerationConfig:
    """The model's generation_config.json; what its config.json says where there is none."""
    if (base / "generation_config.json").is_file():
        return GenerationConfig.from_pretrained(base, local_files_only=True)
    return GenerationConfig.from_model_config(read_config(base))
