"""From images to captions: a captioner is loaded, a batch is decoded and prepared, and its outputs become records."""

from __future__ import annotations

import importlib
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image
import torch

from core.command import InputError, log
from core.records import NO_IMAGE, Caption, Image, Sample
from generation.captioners import Captioner, CaptionerSettings, Output
from models.attention_kernels import avoid_cudnn_attention
from models.class_faults import told_as_input_error


@dataclass
class Batch:
    """Decoded images with the model's inputs for them, and the records of images that could not be decoded."""

    ids: list[str]
    images: list[PIL.Image.Image]
    inputs: Any
    unreadable: list[Caption]


def choose_images(samples: list[Sample], images: list[Image]) -> tuple[list[Image], list[Caption]]:
    """The images to caption, in the samples' order, and failed records of the samples without a usable one."""
    by_id = {image.id: image for image in images}
    usable, failed = [], []
    for sample in samples:
        image = by_id.get(sample.id)
        reason = image.fault if image else NO_IMAGE
        if reason or image is None:
            failed.append(Caption(sample.id, "", "failed", reason))
        else:
            usable.append(image)
    return usable, failed


def prepare_batch(captioner: Captioner, records: list[Image]) -> Batch:
    """Decode the images of a batch and make the model's inputs."""
    ids, images, unreadable = [], [], []
    for record in records:
        try:
            # PNG alone: some of Pillow's other formats start programs.
            images.append(PIL.Image.open(io.BytesIO(record.png or b""), formats=["PNG"]).convert("RGB"))
            ids.append(record.id)
        # What Pillow raises for bytes that are no image, cut short, or a decompression bomb.
        except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
            unreadable.append(Caption(record.id, "", "failed", f"the image can't be read: {error}"))
    return Batch(ids, images, captioner.prepare(images) if images else None, unreadable)


def caption_batch(captioner: Captioner, batch: Batch) -> list[Caption]:
    """The records of a batch, those of unreadable images included."""
    if not batch.images:
        return batch.unreadable
    start = time.monotonic()
    outputs = generate_outputs(captioner, batch.images, batch.inputs)
    seconds = round((time.monotonic() - start) / len(outputs), 4)
    return batch.unreadable + [
        caption_record(id_, output, seconds) for id_, output in zip(batch.ids, outputs, strict=True)
    ]


def generate_outputs(captioner: Captioner, images: list[PIL.Image.Image], inputs: Any) -> list[Output]:
    """The captioner's outputs; a batch that does not fit into memory is halved."""
    try:
        return captioner.generate(inputs)
    except torch.cuda.OutOfMemoryError:
        if len(images) == 1:
            raise
    torch.cuda.empty_cache()
    log("caption_image", f"out of memory with {len(images)} images: the batch is halved")
    middle = len(images) // 2
    halves = (images[:middle], images[middle:])
    return [output for half in halves for output in generate_outputs(captioner, half, captioner.prepare(half))]


def caption_record(id_: str, output: Output, seconds: float) -> Caption:
    """An output as a record."""
    return Caption.written(
        id_,
        output.text,
        finish_reason=output.finish_reason,
        n_prompt_tokens=output.n_prompt_tokens,
        n_new_tokens=output.n_new_tokens,
        seconds=seconds,
    )


def load_captioner(
    family: str, model: Path, tokenizer: Path, settings: CaptionerSettings, trust_remote_code: bool
) -> Captioner:
    """The captioner of a family.

    Raises InputError where it needs packages that are not here, or the user's trust, and where it can't be loaded.
    """
    avoid_cudnn_attention()
    with told_as_input_error(f"{model}: a captioner of family {family} can't be loaded"):
        return _load(family, model, tokenizer, settings, trust_remote_code)


def _load(family: str, model: Path, tokenizer: Path, settings: CaptionerSettings, trust_remote_code: bool) -> Captioner:
    try:
        module = importlib.import_module(f"generation.captioners.{family}")
        return module.load_captioner(model, tokenizer, settings, trust_remote_code)
    except ImportError as error:
        raise InputError(
            f"{model} can't run with the packages that are installed here: {error}; install what it names, or give the "
            "captioner an `environment` or `python` of its own (CogVLM: envs/cogvlm.yaml)"
        ) from error
    except ValueError as error:
        if "trust_remote_code" not in str(error):  # the option that transformers names where a folder brings code
            raise
        raise InputError(
            f"{model} runs Python code of its own: read that code, then opt in with trust_remote_code: true "
            "(--trust-remote-code)"
        ) from error
