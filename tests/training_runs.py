"""Small trainings for tests: samples, settings, a run in this process or as a command, and the adapter that it left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tiny_models import build_tiny_model

from core.records import Sample, write_samples
from train_lora import main
from training import loss as loss_in_model
from training import micro_batch

SCRIPT = Path(__file__).parent.parent / "workflow" / "scripts" / "train_lora.py"
COLOURS = ["red", "green", "blue", "yellow", "pink", "black"]
SETTINGS = {"r": 4, "alpha": 8, "dropout": 0.0, "batch_size": 2, "accumulation": 1, "learning_rate": 0.01}
SETTINGS |= {"max_steps": 12, "eval_steps": 4, "save_steps": 4, "log_steps": 2, "dtype": "fp32", "wandb": "disabled"}


def make_samples(n: int, split: str) -> list[Sample]:
    """Samples of unequal lengths with two references each."""
    return [
        Sample(
            id=f"{split}{k}",
            source="a",
            split=split,
            group=f"{k}",
            xml="<svg>" + f'<rect width="{k}" fill="{COLOURS[k % 6]}"/>' * (1 + k % 4) + "</svg>",
            references=[f"a {COLOURS[k % 6]} square", f"{COLOURS[k % 6]}"],
        )
        for k in range(n)
    ]


def write_data(folder: Path, n_train: int = 20, n_validation: int = 6) -> Path:
    write_samples(folder / "train.parquet", make_samples(n_train, "train"))
    write_samples(folder / "validation.parquet", make_samples(n_validation, "validation"))
    return folder


def write_base_and_data(folder: Path, family: str = "llama") -> tuple[Path, Path]:
    """A tiny base model and the samples to train it on."""
    return build_tiny_model(folder / "base", family), write_data(folder)


def images_of(data: Path, input: str) -> dict[str, str]:
    """The files of pictures that a model with this input reads; picture_samples.py writes them."""
    splits = ("train", "validation") if input != "code" else ()
    return {split: str(data / "images" / f"{split}.parquet") for split in splits}


def train(
    base: Path, data: Path, output: Path, input: str = "code", prompt: str = "{}", **changes: Any
) -> dict[str, Any]:
    """Train in this process; returns training.json. `changes` go over SETTINGS."""
    main(
        name="tiny",
        base=base,
        train=data / "train.parquet",
        validation=data / "validation.parquet",
        prompt=prompt,
        input=input,
        images=json.dumps(images_of(data, input)),
        settings=json.dumps({**SETTINGS, **changes}),
        seed=7,
        output_dir=output,
    )
    return json.loads((output / "training.json").read_text())


def start(
    base: Path, data: Path, output: Path, devices: int = 1, input: str = "code", **changes: Any
) -> subprocess.Popen[str]:
    """Start the same training as a command, in a process group of its own."""
    command = [sys.executable, str(SCRIPT), "--name", "tiny", "--base", str(base), "--seed", "7"]
    command += ["--settings", json.dumps({**SETTINGS, **changes}), "--devices", str(devices)]
    command += ["--train", str(data / "train.parquet"), "--validation", str(data / "validation.parquet")]
    command += ["--input", input, "--images", json.dumps(images_of(data, input)), "--output-dir", str(output)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def climb_after(monkeypatch: Any, n_batches: int) -> None:
    """Let a training get worse for certain: after so many batches it climbs the loss instead of descending."""
    descend, seen = loss_in_model.caption_loss, []

    def loss(*arguments: Any) -> torch.Tensor:
        if not torch.is_grad_enabled():  # an evaluation
            return descend(*arguments)
        seen.append(None)
        return descend(*arguments) * (1 if len(seen) <= n_batches else -1)

    monkeypatch.setattr(loss_in_model, "caption_loss", loss)


def out_of_memory_above(monkeypatch: Any, batch_size: int) -> None:
    """A GPU that holds `batch_size` samples: larger batches run out of its memory."""
    forward = loss_in_model.caption_loss

    def limited(logits: torch.Tensor, labels: torch.Tensor, n_labels: Any) -> torch.Tensor:
        if len(labels) > batch_size:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(logits, labels, n_labels)

    monkeypatch.setattr(micro_batch, "memory_can_be_tried", lambda device: True)
    monkeypatch.setattr(loss_in_model, "caption_loss", limited)


def adapter(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "adapter_model.safetensors")


def same_adapters(one: Path, other: Path) -> bool:
    first, second = adapter(one), adapter(other)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def history(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "history.jsonl").read_text().splitlines()]
