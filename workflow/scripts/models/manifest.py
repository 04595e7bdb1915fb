"""The manifest of a model folder: where the model comes from, its licence, and what its files hold.

    {"source", "licence", "size", "digest", "files": [{"name", "size", "sha256"}]}

`digest` is the digest of the weights, null where there are none (a tokenizer).
"""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import Any

from models.files import MANIFEST, WANTED_SUFFIXES, describe_files, module_files, weights_digest
from models.sources import Source


def describe_model(source: Source, folder: Path) -> dict[str, Any]:
    """The manifest of a complete model folder."""
    names = [path.name for path in folder.iterdir() if path.suffix in (*WANTED_SUFFIXES, ".py")]
    files = describe_files(folder, [*(name for name in names if name != MANIFEST), *module_files(folder)])
    has_weights = any(name.endswith(".safetensors") for name in names)
    return {
        "source": source,
        "licence": card_licence(folder) or package_licence(source),
        "size": sum(file["size"] for file in files),
        "digest": weights_digest(files) if has_weights else None,
        "files": files,
    }


def card_licence(folder: Path) -> str | None:
    """The licence that the model card in a folder states, if there is a card and it states one."""
    from huggingface_hub import metadata_load

    card = folder / "README.md"
    stated = metadata_load(card) if card.is_file() else None
    return (stated.get("license_name") or stated.get("license")) if stated else None


def package_licence(source: Source) -> str | None:
    """The licence of a source's Python package, if it is one and states one."""
    if "package" not in source:
        return None
    stated = metadata.distribution(source["package"]).metadata
    licences = (stated[key] for key in ("License-Expression", "License") if key in stated)
    return next((licence for licence in licences if licence != "UNKNOWN"), None)


def share_files(folder: Path) -> None:
    """Give a folder's files the rights that new files have; safetensors makes its own readable for their owner only."""
    umask = os.umask(0)
    os.umask(umask)
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o666 & ~umask)
