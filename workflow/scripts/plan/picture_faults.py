"""Faults of systems that read pictures: what their bases, engines and settings do not allow.

Of bases that lie here already, config.json is read; a base that is still to be fetched is checked when its job starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.command import InputError
from core.records import read_json
from models.encoder_decoders import ENCODER_DECODERS
from plan.model_folders import base_of, model_of
from plan.schema import Configuration

# Files that may hold the chat template of a processor.
TEMPLATES = ("chat_template.jinja", "chat_template.json")


def picture_faults(config: Configuration) -> Iterator[str]:
    """The faults of a configuration whose presets and defaults are filled in."""
    for key, base, input in _readers(config):
        yield from _or_unreadable(f"bases.{base}.source", _base_faults(config, key, base, input))
        if input != "code" and config["decoding"]["engine"] == "vllm":
            yield f"{key}: {input} needs decoding.engine: transformers; vllm is given no pictures"
    for name, base in config["bases"].items():
        if "build" in base:
            faults = _build_faults(config, name, base["build"]["language"])
            yield from _or_unreadable(f"bases.{name}.build.language", faults)
    for name, model in config["models"].items():
        for setting in ("train_vision", "train_projector"):
            if model["input"] == "code" and model["settings"].get(setting):
                yield f"models.{name}.settings.{setting}: input: code reads no pictures; remove it, or set input"


def _or_unreadable(key: str, faults: Iterator[str]) -> Iterator[str]:
    """The faults of a model folder, or the one that a file in it cannot be read."""
    try:
        yield from faults
    except InputError as error:
        yield f"{key}: {error}"


def _readers(config: Configuration) -> Iterator[tuple[str, str, str]]:
    """Key path, base and input of each model, and of each base without training."""
    for name, base in config["bases"].items():
        if base["zero_shot"] or "few_shot" in base:
            yield from ((f"bases.{name}.inputs", name, input) for input in base["inputs"])
    for name, model in config["models"].items():
        yield f"models.{name}.input", model["base"], model["input"]


def _build_faults(config: Configuration, name: str, language: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the language model of a base that is built here."""
    folder, key = Path(model_of(config, language).folder), f"bases.{name}.build.language"
    if not (folder / "config.json").is_file():
        return
    described: dict[str, Any] = read_json(folder / "config.json")
    if "vision_config" in described:
        yield (
            f"{key}: {folder} reads pictures already; name it as bases.{name}.source, or choose a model that reads "
            "text alone"
        )
    elif not _has_template(folder):
        yield (
            f"{key}: {folder} has no chat template, which says where a picture stands in a prompt; choose an instruct "
            "model"
        )


def _base_faults(config: Configuration, key: str, base: str, input: str) -> Iterator[str]:
    folder = Path(base_of(config, base).folder)
    if "build" in config["bases"][base] or not (folder / "config.json").is_file():
        return
    described: dict[str, Any] = read_json(folder / "config.json")
    kind = described.get("model_type", "unknown")
    if kind in ENCODER_DECODERS:
        if input != "image":
            yield f"{key}: {input} needs a model that is asked, and bases.{base} is a {kind} ({folder}); set image"
    elif input == "code":
        return
    elif "vision_config" not in described:
        yield (
            f"{key}: {input} needs a model that reads pictures, and bases.{base} is a {kind} ({folder}); set code, or "
            "choose a vision-language model"
        )
    elif not _has_template(folder):
        yield (
            f"{key}: {input} needs a chat template, which says where a picture stands in a prompt, and {folder} has "
            f"none; add {TEMPLATES[0]}, or set code"
        )


def describe_base(config: Configuration, base: str) -> dict[str, Any]:
    """The config.json of a base; empty while it is not here yet."""
    path = Path(base_of(config, base).folder) / "config.json"
    try:
        found: dict[str, Any] = read_json(path) if path.is_file() else {}
    except InputError:  # reported where the base is named
        return {}
    return found


def _has_template(folder: Path) -> bool:
    tokenizer = folder / "tokenizer_config.json"
    return any((folder / name).is_file() for name in TEMPLATES) or (
        tokenizer.is_file() and "chat_template" in read_json(tokenizer)
    )
