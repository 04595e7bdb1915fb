r"""Let a captioner, a model that reads the image, caption the image of each drawing.

Input: a model folder, samples, their rendered images, settings as JSON. Output: captions, one record a sample, in the
samples' order; a sample without a usable image (not rendered, blank) gets a failed record with that reason. The next
batch is decoded and prepared while the model works on this one. A killed job goes on where it was.

    python workflow/scripts/caption_image.py --captioner blip-large --family blip --model DIR \
        --images images/test.parquet --samples data/test.parquet --settings '{"num_beams": 3}' --seed 7 \
        --output captions/blip-large.jsonl

Families are the modules of captioners/. Code from a model's folder runs only with --trust-remote-code.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from core.code_digest import code_digest
from core.command import InputError, Progress, log, run_command
from core.identity import job_identity, result_settings
from core.json_settings import settings_from_json
from core.records import Image, read_images, read_samples
from generation.captioners import FAMILIES, Captioner, CaptionerSettings
from generation.image_captions import Batch, caption_batch, choose_images, load_captioner, prepare_batch
from generation.partial_captions import CaptionParts
from models.class_faults import name_of, told_as_input_error
from models.files import check_model_folder, describe_files, file_digest, model_digest
from models.gpus import check_given_gpus, enough_memory
from plan.shards import Shard

# Files of a model folder, beside its weights, that determine captions.
MEANINGFUL_SUFFIXES = (".json", ".txt", ".model", ".jinja", ".py")

# Settings that change the speed and not what is written.
ONLY_SPEED = ("batch_size",)


def prepared_batches(captioner: Captioner, batches: list[list[Image]]) -> Iterator[Batch]:
    """Batches in order; the next one is prepared while the caller works on this one."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = [thread.submit(prepare_batch, captioner, records) for records in batches[:1]]
        for number in range(len(batches)):
            batch = coming.pop().result()
            coming += [thread.submit(prepare_batch, captioner, records) for records in batches[number + 1 : number + 2]]
            yield batch


def folder_digests(role: str, folder: Path) -> dict[str, str]:
    """The sha256 of a model folder's configuration, tokenizer and code, by "<role>/<file>"."""
    names = [path.name for path in folder.iterdir() if path.suffix in MEANINGFUL_SUFFIXES]
    return {f"{role}/{file['name']}": file["sha256"] for file in describe_files(folder, names)}


def main(
    *,
    captioner: str,
    family: str,
    model: Path,
    tokenizer: Path | None,
    trust_remote_code: bool,
    images: Path,
    samples: Path,
    shard: str,
    settings: str,
    seed: int,
    output: Path,
    digest_cache: Path | None = None,
) -> None:
    """Caption all samples. Raises InputError for what a person can repair."""
    code = code_digest("caption_image", f"generation/captioners/{family}")
    values = settings_from_json(CaptionerSettings, settings, f"captioners.{captioner}.settings")
    check_model_folder(model)
    if tokenizer and not tokenizer.is_dir():
        raise InputError(f"the tokenizer folder {tokenizer} does not exist; fetch it first: snakemake fetch_models")
    sample_list = Shard.from_text(shard).of(read_samples(samples))
    usable, failed = choose_images(sample_list, read_images(images))
    inputs = {"samples": file_digest(samples), "images": file_digest(images)}
    inputs["model"] = model_digest(model, digest_cache)
    inputs |= folder_digests("model", model) | (folder_digests("tokenizer", tokenizer) if tokenizer else {})
    result = result_settings(values, ONLY_SPEED) | {"family": family, "shard": shard, "seed": seed}
    libraries = ["torch", "torchvision", "transformers", "pillow"] + ["bitsandbytes"] * (values.quantisation != "none")
    parts = CaptionParts(output, job_identity(inputs=inputs, settings=result, code=code, libraries=libraries))
    if new_failed := parts.waiting(failed):
        parts.append(new_failed)
    log("caption_image", f"{captioner}: {len(usable)} images, {len(failed)} samples without a usable one")
    size = values.batch_size
    waiting = parts.waiting(usable)
    batches = [waiting[start : start + size] for start in range(0, len(waiting), size)]
    if batches:
        check_given_gpus()
        with enough_memory("choose a smaller model for this captioner, or a larger GPU"):
            loaded = load_captioner(family, model, tokenizer or model, values, trust_remote_code)
            caption_images(loaded, batches, parts, captioner, seed)
    parts.finish([sample.id for sample in sample_list])


def caption_images(captioner: Captioner, batches: list[list[Image]], parts: CaptionParts, name: str, seed: int) -> None:
    """Caption batches and put their records on disk, each as soon as it is made.

    Raises InputError where the code of the model's class fails with the first one.
    """
    progress = Progress(f"caption_image {name}", sum(len(batch) for batch in batches), "caption")
    what = f"{name_of(captioner.model)} can't caption"
    with told_as_input_error(what, until=lambda: progress.done > 0), progress:
        for batch in prepared_batches(captioner, batches):
            # Nothing of ours is drawn by chance; code from a model's folder may be, and is the same in a resumed run.
            torch.manual_seed(seed)
            captions = caption_batch(captioner, batch)
            parts.append(captions)
            progress.advance(len(captions))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Let a captioner caption the image of each drawing.")
    parser.add_argument("--captioner", required=True, help="name of the system")
    parser.add_argument("--family", choices=FAMILIES, required=True, help="module of captioners/ that drives the model")
    parser.add_argument("--model", type=Path, required=True, help="folder of the model")
    parser.add_argument("--tokenizer", type=Path, help="folder of the tokenizer, where it is not the model's")
    parser.add_argument("--trust-remote-code", action="store_true", help="run Python code from the model's folder")
    parser.add_argument("--images", type=Path, required=True, help="images/test.parquet")
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--shard", default="1/1", help="K/N: every N-th sample from the K-th on")
    parser.add_argument("--settings", default="{}", help="settings as JSON (docs/configuration.md, captioners)")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="captions/<captioner>.jsonl")
    parser.add_argument("--digest-cache", type=Path, help="JSON file that remembers the digests of model files")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
