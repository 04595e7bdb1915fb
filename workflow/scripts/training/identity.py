"""The identity of a training: which trainings are the same one, to go on from its checkpoints or to take its result.

Inputs by content (samples, weights, configuration and tokenizer of the base), settings but those of logging and speed,
prompt, seed, number of devices (it multiplies the batch). Code and library versions are recorded and take no part: an
edit or an upgrade throws no hours of training away; a warning says that they changed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from captions.prompts import PromptSettings
from core.command import InputError
from core.identity import canonical_json, identity_digest, job_identity, result_settings
from core.records import read_json
from models.files import check_model_folder, file_digest, model_digest, processor_files, tokenizer_files
from training.settings import TrainingSettings

# Settings that change what is logged and kept, and nothing in the adapter.
ONLY_LOGGING = ("wandb", "tensorboard", "log_steps", "keep_checkpoints")
# Settings that change the speed alone: neither the cut of an effective batch nor padding nor where weights lie changes
# its gradient, but for rounding.
ONLY_SPEED = ("micro_batch", "packing", "sharding")
# Parts of the record that make no other training.
RECORDED_ONLY = ("code", "libraries")
# Keys of a model's config.json that say how it was saved, and nothing of the model.
HOW_IT_WAS_SAVED = ("transformers_version", "_name_or_path")


def training_identity(
    base: Path,
    files: dict[str, Path],
    prompt: PromptSettings,
    settings: TrainingSettings,
    seed: int,
    n_devices: int,
    code: str | None = None,
    digest_cache: Path | None = None,
    input: str = "code",
) -> dict[str, Any]:
    """The record of core.identity for a training; `files` are the samples by split and, where shown, their images.

    Raises InputError for a missing file, or a base that is no model.
    """
    check_model_folder(base)
    for path in files.values():
        if not path.is_file():
            raise InputError(f"{path} does not exist")
    inputs = {split: file_digest(path) for split, path in files.items()}
    inputs["base"] = model_digest(base, digest_cache)
    inputs |= {f"base/{file['name']}": file["sha256"] for file in tokenizer_files(base)}
    inputs["base/config.json"] = config_digest(base / "config.json")
    if input != "code":
        inputs |= {f"base/{file['name']}": file["sha256"] for file in processor_files(base)}
    values = result_settings(settings, (*ONLY_LOGGING, *ONLY_SPEED))
    values |= {"prompt": result_settings(prompt), "seed": seed, "devices": n_devices}
    values |= {"input": input} if input != "code" else {}
    libraries = ["torch", "transformers", "peft"] + ["bitsandbytes"] * (settings.quantisation != "none")
    return job_identity(inputs=inputs, settings=values, code=code, libraries=libraries)


def config_digest(path: Path) -> str:
    """Digest of a model's config.json, without what says only how it was saved."""
    config = read_json(path)
    kept = {key: value for key, value in config.items() if key not in HOW_IT_WAS_SAVED}
    return hashlib.sha256(canonical_json(kept).encode()).hexdigest()


def training_digest(identity: dict[str, Any]) -> str:
    """The digest by which a training is the same one."""
    return identity_digest(identity, without=RECORDED_ONLY)
