"""The files of a model folder: which of them make the model, and the digest by which it is known.

A fetched model has a `manifest.json` with its files and their sha256 (see fetch_model.py). `model_digest(folder)` is
the digest of the weights; an adapter stores the digest of its base, so that it is never put on another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict

from core.command import InputError
from core.records import read_json

MANIFEST = "manifest.json"
# Weights, configuration, tokenizer (SentencePiece is .model), chat template, model card.
WANTED_SUFFIXES = (".safetensors", ".json", ".txt", ".model", ".jinja", ".md")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "chat_template.jinja")
# Formats that run code when they are loaded, or that hold weights which we never read.
UNSAFE_SUFFIXES = (".bin", ".pth", ".pt", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack")


class ModelFile(TypedDict):
    """A file of a model: name within the folder, bytes, digest."""

    name: str
    size: int
    sha256: str


def describe_files(folder: Path, names: Iterable[str]) -> list[ModelFile]:
    """Size and sha256 of the named files of a folder, sorted by name."""
    return [
        {"name": name, "size": (folder / name).stat().st_size, "sha256": file_digest(folder / name)}
        for name in sorted(names)
    ]


def tokenizer_files(folder: Path) -> list[ModelFile]:
    """The files that turn a text into tokens: another chat template means other prompts with the same weights."""
    return describe_files(folder, [name for name in TOKENIZER_FILES if (folder / name).is_file()])


def file_digest(path: Path) -> str:
    """The sha256 of a file in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_digest(files: Iterable[ModelFile]) -> str:
    """Digest of a model: the sha256 of its weight files' digests, in the order of their names."""
    weights = sorted((file["name"], file["sha256"]) for file in files if file["name"].endswith(".safetensors"))
    return hashlib.sha256("\n".join(f"{name} {digest}" for name, digest in weights).encode()).hexdigest()


def model_digest(folder: Path) -> str:
    """Digest of the model in a folder: from its manifest where it has one, else from the weights themselves.

    The latter reads all weights (about a second a gigabyte). Raises InputError for a folder without a model.
    """
    check_model_folder(folder)
    if (folder / MANIFEST).is_file():
        manifest: dict[str, Any] = read_json(folder / MANIFEST)
        return manifest["digest"]
    return weights_digest(describe_files(folder, [path.name for path in folder.glob("*.safetensors")]))


def check_model_folder(folder: Path) -> None:
    """Raise InputError unless the folder has a config.json and safetensors weights."""
    if not folder.is_dir():
        raise InputError(f"the model folder {folder} does not exist; fetch it first: snakemake fetch_models")
    if not any((folder / name).is_file() for name in ("config.json", "open_clip_config.json")):
        raise InputError(f"{folder} is no model folder: it has no config.json")
    if not any(folder.glob("*.safetensors")):
        unsafe = sorted(path.name for path in folder.iterdir() if path.suffix in UNSAFE_SUFFIXES)
        found = f" (only {', '.join(unsafe)}, formats that are not loaded)" if unsafe else ""
        raise InputError(f"{folder} has no safetensors weights{found}; save the model with save_pretrained first")


def check_adapter(adapter: Path, base: Path) -> None:
    """Raise InputError for an adapter that was trained on another base."""
    trained_on, found = read_json(adapter / "training.json")["base_digest"], model_digest(base)
    if trained_on != found:
        name = Path(read_json(adapter / "adapter_config.json")["base_model_name_or_path"]).name
        raise InputError(
            f"the adapter {adapter} was trained on another base: {name} with the weights digest {trained_on[:12]}, but "
            f"{base} has {found[:12]}; train it again or name its own base"
        )
