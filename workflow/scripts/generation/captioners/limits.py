"""What a captioner's model can take: the tokens that it reads, and one that fills up its prompts."""

from __future__ import annotations

from typing import Any

from core.command import InputError
from generation.captioners import CaptionerSettings
from models.language_models import context_length, padding_id


def check_context(config: Any, settings: CaptionerSettings, n_prompt_tokens: int = 0) -> None:
    """Raise InputError where a prompt and the longest caption are more tokens than the model reads."""
    context = context_length(config)
    if n_prompt_tokens + settings.max_new_tokens > context:
        raise InputError(
            f"the captioner reads {context} tokens, of which its prompt takes {n_prompt_tokens}: set its "
            f"max_new_tokens to {context - n_prompt_tokens} or less, not {settings.max_new_tokens}"
        )


def use_known_ends(tokenizer: Any, model: Any) -> None:
    """Let a tokenizer that names no first or last token of a text have the model's: Florence-2's prompts hold both."""
    for name in ("bos_token", "eos_token"):
        ids = getattr(model.generation_config, f"{name}_id")
        if getattr(tokenizer, name) is None and ids is not None:
            setattr(tokenizer, name, tokenizer.convert_ids_to_tokens(ids[0] if isinstance(ids, list) else ids))


def use_known_padding(tokenizer: Any, config: Any) -> None:
    """Let a tokenizer fill up prompts with a token that the model has; some have none, or one that was added later."""
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(padding_id(tokenizer, config))
