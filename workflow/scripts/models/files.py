"""The files of a model folder: which of them make the model, and the digest by which it is known.

A fetched model has a `manifest.json` with its files and their sha256 (see fetch_model.py). `model_digest(folder)` is
the digest of the weights; an adapter stores the digest of its base, so that it is never put on another one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict

from core.command import InputError
from core.records import read_json

MANIFEST = "manifest.json"
# Weights, configuration, tokenizer (SentencePiece is .model), chat template, model card.
WANTED_SUFFIXES = (".safetensors", ".json", ".txt", ".model", ".jinja", ".md")
TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "chat_template.jinja"),
    "chat_template.json",  # of a processor, by older versions of transformers
)
# What turns pictures into a model's inputs.
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")
# What a tokenizer is made of where it has no tokenizer.json.
SLOW_TOKENIZER_FILES = ("vocab.json", "merges.txt", "spiece.model", "special_tokens_map.json", "added_tokens.json")
# Modules of a sentence-transformers model (1_Pooling, 2_Dense), the only files below a folder that are a model's.
MODULE_FILE = re.compile(r"\d+_[A-Za-z]+/(config\.json|model\.safetensors)")
# Formats that run code when they are loaded, or that hold weights which we never read.
UNSAFE_SUFFIXES = (".bin", ".pth", ".pt", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack")


# Only a file this long unchanged is remembered by its size and time.
SETTLED_NS = 2_000_000_000
_seen_digests: dict[str, list[Any]] = {}


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
    names = TOKENIZER_FILES if (folder / "tokenizer.json").is_file() else TOKENIZER_FILES + SLOW_TOKENIZER_FILES
    return describe_files(folder, [name for name in names if (folder / name).is_file()])


def processor_files(folder: Path) -> list[ModelFile]:
    """The files that turn a picture into a model's inputs; none for a model that reads text alone."""
    return describe_files(folder, [name for name in PROCESSOR_FILES if (folder / name).is_file()])


def module_files(folder: Path) -> list[str]:
    """Names within a folder of the files of its modules (see MODULE_FILE)."""
    names = (path.relative_to(folder).as_posix() for path in folder.glob("*/*"))
    return sorted(name for name in names if MODULE_FILE.fullmatch(name))


def model_name(folder: Path) -> str:
    """The id of a fetched model on the hub, else the name of its folder."""
    manifest: dict[str, Any] = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else {}
    return manifest.get("source", {}).get("hub", folder.name)


def file_digest(path: Path) -> str:
    """The sha256 of a file in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_digest(files: Iterable[ModelFile]) -> str:
    """Digest of a model: the sha256 of its weight files' digests, in the order of their names; modules are no part."""
    own = (file for file in files if file["name"].endswith(".safetensors") and "/" not in file["name"])
    weights = sorted((file["name"], file["sha256"]) for file in own)
    return hashlib.sha256("\n".join(f"{name} {digest}" for name, digest in weights).encode()).hexdigest()


def model_digest(folder: Path, cache: Path | None = None) -> str:
    """Digest of the model in a folder: from its manifest where it has one, else from the weights themselves.

    The latter reads all weights (about a second a gigabyte), once a process, and once a `cache` where there is one: a
    JSON file outside of the folder. Raises InputError for a folder without a model.
    """
    check_model_folder(folder)
    if (folder / MANIFEST).is_file():
        manifest: dict[str, Any] = read_json(folder / MANIFEST)
        return manifest["digest"]
    weights = sorted(folder.glob("*.safetensors"))
    digests = remembered_digests(weights, cache)
    return weights_digest({"name": path.name, "size": path.stat().st_size, "sha256": digests[path]} for path in weights)


def remembered_digests(files: Iterable[Path], cache: Path | None) -> dict[Path, str]:
    """The sha256 of files; one whose size and time are those of an earlier call is not read again.

    `cache` keeps them between processes. Jobs may write it side by side: each replaces it whole, and what one loses is
    only made again.
    """
    known = {**read_digest_cache(cache), **_seen_digests}
    digests, new = {}, {}
    for path in files:
        key = str(path.resolve())
        before = file_stamp(path)
        entry = known.get(key)
        if entry is None or entry[:2] != before:
            digest = file_digest(path)
            entry = [*before, digest]
            # A file that is being written may change once more within the resolution of its time.
            if file_stamp(path) == before and time.time_ns() - before[1] > SETTLED_NS:
                new[key] = entry
        elif cache is not None:
            new[key] = entry
        digests[path] = entry[2]
    _seen_digests.update(new)
    if cache is not None and any(read_digest_cache(cache).get(key) != entry for key, entry in new.items()):
        write_digest_cache(cache, {**read_digest_cache(cache), **new})
    return digests


def file_stamp(path: Path) -> list[int]:
    """Size and time of a file; the file is read again if one of them differs."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def read_digest_cache(cache: Path | None) -> dict[str, list[Any]]:
    """{absolute path: [size, mtime_ns, sha256]}; empty where there is no such file, or a damaged one."""
    try:
        known = json.loads(cache.read_text(encoding="utf-8")) if cache else {}
    except (OSError, ValueError):
        return {}
    whole = isinstance(known, dict) and all(isinstance(entry, list) and len(entry) == 3 for entry in known.values())
    return known if whole else {}


def write_digest_cache(cache: Path, known: dict[str, list[Any]]) -> None:
    """Replace the cache atomically through a temporary file. A failed write costs only time."""
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{cache.name}.", dir=cache.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(known, file, indent=1)
        os.replace(name, cache)


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


def check_adapter(adapter: Path, base: Path, cache: Path | None = None) -> None:
    """Raise InputError for an adapter that was trained on another base."""
    trained_on, found = read_json(adapter / "training.json")["base_digest"], model_digest(base, cache)
    if trained_on != found:
        name = Path(read_json(adapter / "adapter_config.json")["base_model_name_or_path"]).name
        raise InputError(
            f"the adapter {adapter} was trained on another base: {name} with the weights digest {trained_on[:12]}, but "
            f"{base} has {found[:12]}; train it again or name its own base"
        )
