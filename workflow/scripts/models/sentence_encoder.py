"""A sentence-transformers model from a local folder: the embedding of a text, pooled as the folder says.

`modules.json` names the modules of the model: the transformer with `sentence_bert_config.json` (longest input, lower
casing), `1_Pooling`, and possibly `2_Dense` and `2_Normalize`. The package computes with them. What the files may ask
for is checked before: safetensors only, no network, and no other class than the package's own modules, since it
imports and calls what a folder names.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from core.command import InputError
from core.records import read_json
from models.files import check_model_folder, describe_files, module_files

# Classes by the last part of their name; the package moved them between its modules.
MODULES = ("Transformer", "Pooling", "Dense", "Normalize")
POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
LEGACY_POOLING = "pooling_mode_"
LEGACY_POOLINGS = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean_tokens": "weightedmean",
    "lasttoken": "lasttoken",
}
MODEL_CONFIG = "config_sentence_transformers.json"
TRANSFORMER_CONFIGS = "sentence_*_config.json"  # sentence_bert_config.json, and older names
# Other keys name classes, methods, repositories or arguments of a loader.
TRANSFORMER_KEYS = ("max_seq_length", "do_lower_case", "transformer_task", "modality_config", "module_output_name")
LONGEST = 1_000_000  # a limit above is that of a tokenizer without one


@dataclass(frozen=True)
class SentenceEncoder:
    """A model, and what decides its embeddings. Longer texts than `max_tokens` are truncated; None is no limit."""

    model: Any
    pooling: str
    normalised: bool
    lower_case: bool
    max_tokens: int | None
    modules_digest: str

    def is_truncated(self, text: str) -> bool:
        """Whether a text has more tokens than are read, special ones and those of a default prompt included."""
        if self.max_tokens is None:
            return False
        prompt = self.model.prompts.get(self.model.default_prompt_name) or ""
        return len(self.model.tokenizer(prompt + text, truncation=False, verbose=False)["input_ids"]) > self.max_tokens

    def embed(self, texts: list[str]) -> dict[str, np.ndarray]:
        """The embedding of each different text, scaled to length 1."""
        different = list(dict.fromkeys(texts))
        vectors = self.model.encode(different, convert_to_numpy=True, show_progress_bar=False) if different else []
        return {text: unit_vector(vector) for text, vector in zip(different, vectors, strict=True)}


def unit_vector(vector: np.ndarray) -> np.ndarray:
    """A vector of length 1 in double precision; zeros stay zeros."""
    exact = vector.astype(float)
    return exact / max(float(np.linalg.norm(exact)), 1e-12)


@lru_cache(maxsize=1)  # the signature is written after the scores
def load_sentence_encoder(folder: Path) -> SentenceEncoder:
    """Load a folder. Raises InputError where it holds no such model, or asks for what is not loaded."""
    from sentence_transformers import SentenceTransformer

    modules, pooling = check_sentence_folder(folder)
    model = SentenceTransformer(
        str(folder), local_files_only=True, trust_remote_code=False, model_kwargs={"use_safetensors": True}
    )
    limit = model.max_seq_length
    return SentenceEncoder(
        model=model,
        pooling=pooling,
        normalised="Normalize" in modules,
        lower_case=bool(model[0].do_lower_case),
        max_tokens=limit if limit is not None and limit < LONGEST else None,
        modules_digest=digest_modules(folder),
    )


def check_sentence_folder(folder: Path) -> tuple[list[str], str]:
    """The classes of a model's modules and its pooling, from its files alone. Raises InputError as loading does."""
    check_model_folder(folder)
    modules = read_modules(folder)
    check_configs(folder)
    pooling = next(read_pooling(folder / path / "config.json") for kind, path in modules if kind == "Pooling")
    return [kind for kind, _ in modules], pooling


def read_modules(folder: Path) -> list[tuple[str, str]]:
    """Class and subfolder of each module. Raises InputError for one that is not the package's own, or has no files."""
    path = folder / "modules.json"
    if not path.is_file():
        raise InputError(
            f"{folder} has no modules.json: it is no sentence-transformers model, and how its states are pooled is "
            "unknown; name the folder that SentenceTransformer.save_pretrained wrote"
        )
    try:
        modules = [(str(module["type"]), str(module["path"])) for module in read_json(path)]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no list of modules with type and path; fetch or save the model again") from error
    kinds = [check_module(path, *module) for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or kinds.count("Transformer") > 1 or kinds.count("Pooling") > 1:
        raise InputError(
            f"{path} names {', '.join(kinds) or 'no modules'}; a Transformer and a Pooling must come first"
        )
    return list(zip(kinds, (place for _, place in modules), strict=True))


def check_module(path: Path, name: str, place: str) -> str:
    """The last part of the class of a module. Raises InputError for what is not loaded."""
    kind = name.split(".")[-1]
    if kind not in MODULES or not name.startswith("sentence_transformers."):
        raise InputError(
            f"{path} names the class {name}, which is not loaded; only {', '.join(MODULES)} of "
            "sentence_transformers are"
        )
    folder = path.parent / place
    if kind == "Transformer":
        if place:
            raise InputError(f"{path}: the transformer lies in {place}; only one in the model's own folder is loaded")
    elif folder.resolve().parent != path.parent.resolve():
        raise InputError(f"{path}: the module {kind} lies in {place!r}, which is no folder of the model")
    elif kind != "Normalize" and not (folder / "config.json").is_file():
        raise InputError(
            f"{folder} has no config.json. A model that was fetched by an earlier version lacks it: remove "
            f"{path.parent / 'manifest.json'} and run snakemake fetch_models"
        )
    elif kind == "Dense" and not (folder / "model.safetensors").is_file():
        raise InputError(f"{folder} has no model.safetensors; other formats are not loaded; save the model again")
    return kind


def read_pooling(path: Path) -> str:
    """How states are pooled, several ways joined by +. Raises InputError for one that is unknown."""
    config = read_json(path)
    modes = config.get("pooling_mode")
    if modes is None:
        named = {key.removeprefix(LEGACY_POOLING): on for key, on in config.items() if key.startswith(LEGACY_POOLING)}
        modes = [LEGACY_POOLINGS.get(name, name) for name, on in named.items() if on or name not in LEGACY_POOLINGS]
    modes = [modes] if isinstance(modes, str) else modes
    unknown = [str(mode) for mode in modes if mode not in POOLINGS]
    if unknown or not modes:
        found = f"the pooling {', '.join(unknown)}" if unknown else "no pooling"
        raise InputError(f"{path} names {found}; known are {', '.join(POOLINGS)}")
    return "+".join(modes)


def check_configs(folder: Path) -> None:
    """Raise InputError where the model's or the transformer's settings ask for what is not loaded."""
    path = folder / MODEL_CONFIG
    kind = read_json(path).get("model_type", "SentenceTransformer") if path.is_file() else "SentenceTransformer"
    if kind != "SentenceTransformer":
        raise InputError(f"{path}: a {kind} gives no embedding of a sentence; name a SentenceTransformer")
    for path in folder.glob(TRANSFORMER_CONFIGS):
        config = read_json(path)
        others = [key for key, value in config.items() if key not in TRANSFORMER_KEYS and value]
        methods = {entry.get("method") for entry in config.get("modality_config", {}).values()}
        task = config.get("transformer_task", "feature-extraction")
        if others or methods - {"forward"} or task != "feature-extraction":
            raise InputError(
                f"{path} asks for {', '.join(others) or 'another task than embeddings of text'}, which is not loaded; "
                f"known are {', '.join(TRANSFORMER_KEYS)}"
            )


def digest_modules(folder: Path) -> str:
    """Digest of the files that decide an embedding beside the weights and the tokenizer."""
    top = [path.name for name in ("modules.json", MODEL_CONFIG, TRANSFORMER_CONFIGS) for path in folder.glob(name)]
    files = describe_files(folder, [*top, *module_files(folder)])
    return hashlib.sha256("\n".join(f"{file['name']} {file['sha256']}" for file in files).encode()).hexdigest()
