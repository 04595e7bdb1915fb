"""The language model of a base, as transformers' own classes load it: configuration, class, tokenizer, limits.

A base that also reads pictures (Gemma 3, LLaVA, Qwen2-VL, Mllama) is loaded whole and given text alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
)
from transformers.utils import is_flash_attn_2_available

from core.command import InputError
from core.records import read_json
from models.class_faults import told_as_input_error
from models.encoder_decoders import ENCODER_DECODERS

NO_LIMIT = 2**31
# What configurations call the most tokens that a model reads; MPT has a name of its own.
CONTEXT_KEYS = ("max_position_embeddings", "max_seq_len")
# How the names of classes end whose models see the words behind as well (BERT, RoBERTa, ELECTRA).
ENCODER_HEADS = ("ForMaskedLM", "ForPreTraining")


def read_config(base: Path) -> Any:
    """The configuration of a base. Raises InputError for one that transformers does not take."""
    with told_as_input_error(f"{base}: its config.json can't be read"):
        config = AutoConfig.from_pretrained(base, local_files_only=True)
        config.get_text_config()  # some have two, and none of both is the language model
    return config


def auto_class(config: Any) -> Any:
    """The class of transformers that loads a base. Raises InputError where the model does not continue a text."""
    trained_as = config.architectures or []
    if any(name.endswith(ENCODER_HEADS) for name in trained_as):  # the library would load it as a decoder all the same
        raise InputError(
            f"bases: a {trained_as[0]} fills in words and does not continue a text; a base is a causal language model"
        )
    has_part = config.get_text_config() is not config
    has_part = has_part and (not config.is_encoder_decoder or config.model_type in ENCODER_DECODERS)
    if has_part and type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        return AutoModelForImageTextToText
    if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return AutoModelForCausalLM
    raise InputError(
        f"bases: a model of type {config.model_type} does not continue a text; a base is a causal language model, or a "
        "model for images and text that has one"
    )


def load_tokenizer(base: Path) -> Any:
    """The tokenizer of a base; where it has no chat template, with that of the processor.

    Raises InputError where the tokenizer can't be made of the files of the folder.
    """
    with told_as_input_error(f"{base}: its tokenizer can't be loaded"):
        try:
            tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
        except (ImportError, OSError, ValueError) as error:
            raise InputError(f"{base}: its tokenizer can't be loaded: {why_no_tokenizer(base, error)}") from error
    if not tokenizer("a", add_special_tokens=False)["input_ids"]:  # what transformers makes of a folder without files
        raise InputError(f"{base} has no vocabulary of its tokenizer, such as tokenizer.json: save the tokenizer there")
    of_processor = base / "chat_template.json"  # where older versions of transformers put a processor's template
    if not tokenizer.chat_template and of_processor.is_file():
        tokenizer.chat_template = read_json(of_processor)["chat_template"]
    return tokenizer


def why_no_tokenizer(base: Path, error: Exception) -> str:
    """Why a tokenizer can't be loaded, and what to do about it."""
    pieces = next(base.glob("*.model"), None)
    if pieces and not (base / "tokenizer.json").is_file() and find_spec("sentencepiece") is None:
        return f"{pieces.name} needs the Python package sentencepiece, which requirements.lock has: pip install it"
    return " ".join(str(error).split())[:300]


def context_length(config: Any) -> int:
    """The most tokens that a model reads, prompt and caption together; NO_LIMIT where its configuration has none."""
    text = config.get_text_config()
    limits = (getattr(text, key, None) for key in CONTEXT_KEYS)
    return next((limit for limit in limits if limit), NO_LIMIT)


def padding_id(tokenizer: Any, config: Any) -> int:
    """The token that fills up batches: padding, else end of text, else the first, whichever the model has.

    It is masked, so that any token serves; a tokenizer may have a padding token that the model was never given.
    """
    size = config.get_text_config().vocab_size
    candidates = (tokenizer.pad_token_id, tokenizer.eos_token_id)
    return next((id for id in candidates if id is not None and id < size), 0)


def check_token_ids(base: Path, config: Any, rows: Iterable[Sequence[int]]) -> None:
    """Raise InputError where a text has a token that the model does not know: tokenizer and weights do not agree."""
    size = config.get_text_config().vocab_size
    highest = max((max(row) for row in rows if len(row)), default=0)
    if highest >= size:
        raise InputError(
            f"{base}: its tokenizer writes token {highest} and its model has {size} (vocab_size of config.json): they "
            "are not of one model, or tokens were added without resizing the embeddings"
        )


def choose_attention(config: Any, wanted: str = "auto") -> str:
    """The implementation of attention: the wanted one; for auto SDPA where the model has it, else eager.

    Models whose attention SDPA can't compute have none (Gemma 2, which caps scores; ALiBi; attention sinks). Raises
    InputError for one that the model or this machine does not have.
    """
    available = available_attention(config)
    if wanted == "auto":
        return "sdpa" if "sdpa" in available else "eager"
    if wanted not in available:
        raise InputError(
            f"attention: {wanted} is not there for models of type {config.model_type}; there is {', '.join(available)}"
        )
    return wanted


def available_attention(config: Any) -> list[str]:
    """The implementations of attention that a model has and that are installed."""
    causal = auto_class(config) is AutoModelForCausalLM
    model: Any = (MODEL_FOR_CAUSAL_LM_MAPPING if causal else MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING)[type(config)]
    flash = model._supports_flash_attn and is_flash_attn_2_available()
    return ["eager"] + ["sdpa"] * model._supports_sdpa + ["flash_attention_2"] * flash


def load_language_model(base: Path, config: Any, dtype: torch.dtype | str, attention: str, **options: Any) -> Any:
    """The model of a base with its weights, in a number format (auto: its own), with an implementation of attention.

    Raises InputError where weights are missing or of another shape, which transformers would draw by chance, and for
    what it raises itself.
    """
    options |= {"dtype": dtype, "attn_implementation": attention, "output_loading_info": True}
    options |= {"ignore_mismatched_sizes": True}  # which are refused here, by name
    with told_as_input_error(f"{base}: a {config.model_type} model can't be loaded"):
        model, found = auto_class(config).from_pretrained(base, local_files_only=True, use_safetensors=True, **options)
    if missing := sorted(found["missing_keys"]):
        raise InputError(
            f"{base} lacks {len(missing)} weights of a {type(model).__name__}, {missing[0]} for one: its files are not "
            "whole, or config.json is of another model"
        )
    if mismatched := sorted(found["mismatched_keys"]):
        name, found_shape, wanted_shape = mismatched[0]
        raise InputError(
            f"{base} has {len(mismatched)} weights of another shape than its config.json says, {name} for one: "
            f"{tuple(found_shape)} instead of {tuple(wanted_shape)}; one of both files is of another model"
        )
    return model
