"""What is checked and made before a model is loaded: faults in one line, the identity of the run, tokens made once.

`prepare_training` does it in the process that was started; `read_prepared` gives the result to that process, or to the
ranks that it launches. So tokenising happens once, before any process waits for another.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from captions.picture_prompts import PicturePrompts, choose_wording
from captions.prompts import PromptSettings
from core.command import InputError, log
from core.records import Sample, read_images, read_json, read_samples, write_json
from models.encoder_decoders import check_reads_code
from models.language_models import check_token_ids, context_length, load_tokenizer, read_config
from models.pictures import load_processor
from training.checkpoints import agree_with
from training.data import EncodedSplit, encode_samples, read_encoded, write_encoded
from training.parameters import count_parameters, describe_counts
from training.settings import TrainingSettings
from training.sharding import check_sharding

SPLITS = ("train", "validation")
# Adapter, and AdamW's two numbers for each of its parameters.
CHECKPOINT_SIZE_IN_ADAPTERS = 3


@dataclass
class Prepared:
    """What a training needs besides the model."""

    identity: dict[str, Any]  # of training/identity.py, as of the first start
    parameters: dict[str, Any]  # of count_parameters
    splits: dict[str, EncodedSplit]


def prepare_training(
    name: str,
    base: Path,
    files: dict[str, Path],
    prompt: PromptSettings,
    settings: TrainingSettings,
    identity: dict[str, Any],
    checkpoints: Path,
    input: str = "code",
    images: Mapping[str, Path] | None = None,
    devices_a_node: int | None = None,
) -> None:
    """Check everything, then put identity and tokens beside the checkpoints.

    `files` are the samples by split, `images` their pictures where the model reads them. Raises InputError for what a
    person can repair.
    """
    processor = load_processor(base) if images else None
    if not images:
        check_reads_code(base, read_config(base))
    check_devices(devices_a_node or identity["settings"]["devices"])
    check_sharding(settings, identity["settings"]["devices"], input)
    counts = count_parameters(base, settings)
    check_disk(checkpoints, counts["adapter_bytes"], settings)
    samples = {split: read_split(files[split]) for split in SPLITS}
    agree_with(checkpoints, identity)
    write_json(checkpoints / "parameters.json", counts)
    pictures = {
        split: PicturePrompts(processor, prompt, input, read_images(path)) for split, path in (images or {}).items()
    }
    encode_splits(base, samples, prompt, settings, checkpoints, pictures)
    log(f"train_lora {name}", describe_counts(counts))


def read_prepared(checkpoints: Path, images: Mapping[str, Path] | None = None) -> Prepared:
    """What prepare_training has made. Raises InputError where it has not run, or for other than these processes."""
    record = checkpoints / "identity.json"
    identity = read_json(record) if record.is_file() else {"settings": {"devices": 0}}
    n_prepared = identity["settings"]["devices"]
    if n_prepared != devices_here():
        raise InputError(
            f"{devices_here()} processes train together and {n_prepared} were prepared: the effective batch "
            "would be another; start train_lora.py itself with --devices, it launches its processes"
        )
    pngs = {split: {image.id: image.png for image in read_images(path)} for split, path in (images or {}).items()}
    splits = {split: read_encoded(tokens_file(checkpoints, split), pngs.get(split)) for split in SPLITS}
    return Prepared(identity, read_json(checkpoints / "parameters.json"), splits)


def check_devices(n_devices: int) -> None:
    """Raise InputError where more devices are asked for than there are GPUs, on a machine with GPUs."""
    visible = torch.cuda.device_count()
    if visible and n_devices > visible:
        raise InputError(f"{n_devices} GPUs are asked for and {visible} visible: lower models.<name>.gpus")


def check_disk(folder: Path, adapter_bytes: int, settings: TrainingSettings) -> None:
    """Raise InputError where the checkpoints of a training would not fit on the disk."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(existing).free
    # One checkpoint more than are kept, since the oldest goes when the new one is whole; as many best adapters.
    needed = (settings.keep_checkpoints + 1) * (CHECKPOINT_SIZE_IN_ADAPTERS + 1) * adapter_bytes
    if free < needed:
        raise InputError(
            f"{existing} has {free / 1e9:.2f} GB free and the checkpoints need {needed / 1e9:.2f} GB: free some space, "
            "or lower keep_checkpoints or r"
        )


def read_split(path: Path) -> list[Sample]:
    """The samples of a split. Raises InputError for an empty one."""
    samples = read_samples(path)
    if not samples:
        raise InputError(f"{path} holds no samples; training needs some")
    return samples


def encode_splits(
    base: Path,
    samples: dict[str, list[Sample]],
    prompt: PromptSettings,
    settings: TrainingSettings,
    checkpoints: Path,
    pictures: Mapping[str, PicturePrompts],
) -> None:
    """Make the tokens of the splits, unless an interrupted run has; they belong to the identity beside them."""
    if all(tokens_file(checkpoints, split).is_file() for split in SPLITS):
        return
    tokenizer, config = load_tokenizer(base), read_config(base)
    context = context_length(config)
    processor = next((one.processor for one in pictures.values()), None)
    log("train_lora", f"prompts by the {choose_wording(tokenizer, processor, prompt).form}")
    for split in SPLITS:
        encoded = encode_samples(tokenizer, samples[split], prompt, settings.overlong, context, pictures.get(split))
        log_missing(split, encoded, prompt)
        if not encoded.samples:
            raise InputError(f"no {split} sample is left: {why_none_is_left(encoded, context)}")
        check_token_ids(base, config, (row for sample in encoded.samples for row in (sample.prompt, *sample.captions)))
        write_encoded(tokens_file(checkpoints, split), encoded)


def log_missing(split: str, encoded: EncodedSplit, prompt: PromptSettings) -> None:
    """Log how many samples have no picture; training.json lists them."""
    if encoded.missing_pictures:
        done = "trained by their code alone" if prompt.missing_picture == "use_code" else "left out"
        log("train_lora", f"{len(encoded.missing_pictures)} {split} samples have no usable picture and are {done}")


def why_none_is_left(encoded: EncodedSplit, context: int) -> str:
    """What left out all samples of a split, and what to do about it."""
    counts = {action: encoded.n_overlong(action) for action in ("dropped", "refused")}
    counts["missing"] = len(encoded.missing_pictures)
    first = next(iter(encoded.missing_pictures.values()), "")
    reasons = {
        "missing": f"without a usable picture (the first: {first}): look at images/*.parquet",
        "dropped": "over prompt.max_tokens and dropped: raise it, or set overlong: shorten",
        "refused": f"with their longest caption over the {context} tokens that the base reads and refused: lower "
        "prompt.max_tokens, shorten the captions, or choose a base with a longer context",
    }
    return "; ".join(f"{counts[action]} are {reason}" for action, reason in reasons.items() if counts[action])


def tokens_file(checkpoints: Path, split: str) -> Path:
    return checkpoints / "tokens" / f"{split}.parquet"


def devices_here() -> int:
    """How many processes train together: what the launcher tells its ranks."""
    return int(os.environ.get("WORLD_SIZE", "1"))
