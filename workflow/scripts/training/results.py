"""What a training leaves: the adapter with its model card, resolved settings, history and summary."""

from __future__ import annotations

import dataclasses
import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from core.command import write_whole
from core.records import read_json, write_json
from models.files import MANIFEST
from models.language_models import auto_class, read_config
from models.number_format import choose_dtype
from training.caption_files import write_result
from training.data import write_overlong
from training.history import best_evaluation, history_lines, scored_steps
from training.preparation import Prepared
from training.settings import LOSS, TrainingSettings

READ_FROM = {
    "code": "from their xml",
    "image": "from their rendered picture",
    "both": "from their xml and their rendered picture",
}
ACTIONS = ("shortened", "dropped", "refused")
FINAL_FILES = ("adapter_config.json", "README.md", "adapter_model.safetensors")


def check_trained(adapter: Path) -> None:
    """Every B matrix starts at zero: one that is still zero got no gradient, and hours were for nothing."""
    from safetensors.torch import load_file

    still = [
        key
        for key, value in load_file(adapter / "adapter_model.safetensors").items()
        if ".lora_B." in key and not value.any()
    ]
    assert not still, f"{len(still)} LoRA matrices did not move, {still[0]} for one"


def summarise(
    name: str,
    base: Path,
    prepared: Prepared,
    settings: TrainingSettings,
    n_devices: int,
    n_steps: int,
    log_history: list[dict[str, Any]],
    stopped_early: bool,
) -> dict[str, Any]:
    """What is to be known of a training: training.json. `n_steps` are those that were done."""
    best = best_evaluation(log_history, settings.best_by)
    assert best is not None, "the training ended without an evaluation"
    losses = {record["step"]: record["eval_loss"] for record in log_history if "eval_loss" in record}
    splits, identity = prepared.splits, prepared.identity
    return {
        "name": name,
        "steps": n_steps,
        "planned_steps": settings.n_steps(len(splits["train"].samples), n_devices),
        "best_step": best[0],
        "best_eval_loss": losses[best[0]],
        "stop_reason": f"no better evaluation in {settings.patience_steps} steps"
        if stopped_early
        else "all steps done",
        "effective_batch": settings.effective_batch(n_devices),
        "devices": n_devices,
        "batch_size": settings.batch_size,
        "accumulation": settings.accumulation,
        "parameters": prepared.parameters,
        "samples": {split: len(encoded.samples) for split, encoded in splits.items()},
        **{key: {split: encoded.n_overlong(key) for split, encoded in splits.items()} for key in ACTIONS},
        "input": identity["settings"].get("input", "code"),
        "missing_pictures": {split: encoded.missing_pictures for split, encoded in splits.items()},
        "tokens_removed": {split: encoded.n_tokens_removed() for split, encoded in splits.items()},
        "base": base_name(base),
        "base_class": auto_class(read_config(base)).__name__,
        "base_digest": identity["inputs"]["base"],
        "data_digests": {split: identity["inputs"][split] for split in splits},
        "seed": identity["settings"]["seed"],
        "dtype": str(choose_dtype(settings.dtype)).removeprefix("torch."),
        "versions": {package: metadata.version(package) for package in ("torch", "transformers", "peft")},
    }


def base_name(base: Path) -> str:
    """Where a base came from, with its revision: by its manifest, else the folder's name."""
    if not (base / MANIFEST).is_file():
        return base.name
    source = read_json(base / MANIFEST)["source"]
    if "hub" in source:
        return f"{source['hub']} at {source['revision']}"
    return f"{source['package']} {source['version']}" if "package" in source else base.name


def write_results(
    output_dir: Path,
    best: Path,
    prepared: Prepared,
    settings: TrainingSettings,
    log_history: list[dict[str, Any]],
    summary: dict[str, Any],
) -> None:
    """Put the final files into place; the adapter's weights come last."""
    write_json(output_dir / "settings.json", dataclasses.asdict(settings))
    write_overlong(output_dir / "overlong.csv", prepared.splits)
    write_result(output_dir, best.parent, scored_steps(log_history))
    with write_whole(output_dir / "history.jsonl") as partial:
        partial.write_text(history_lines(log_history), encoding="utf-8")
    (best / "README.md").write_text(model_card(summary, settings), encoding="utf-8")
    with write_whole(output_dir / "code_digest.txt") as partial:
        partial.write_text(f"{prepared.identity['code']}\n")  # of the first start: a warning reports a later edit
    write_json(output_dir / "training.json", summary)
    for file in FINAL_FILES:
        with write_whole(output_dir / file) as partial:
            shutil.copyfile(best / file, partial)


def model_card(summary: dict[str, Any], settings: TrainingSettings) -> str:
    """The adapter's README: what it was made of, how good it is, and how to load it."""
    parameters = summary["parameters"]
    quantised = ", trained on it in 4 bit (NF4)" if settings.quantisation == "nf4" else ""
    return f"""\
---
library_name: peft
pipeline_tag: text-generation
tags: [lora, svg, image-captioning]
---

# {summary["name"]}

A LoRA adapter with which a model captions SVG drawings {READ_FROM[summary["input"]]}.

| | |
|---|---|
| base | {summary["base"]}{quantised} |
| weights digest of the base | `{summary["base_digest"]}` |
| data | {summary["samples"]["train"]:,} train and {summary["samples"]["validation"]:,} validation samples |
| digest of the train split | `{summary["data_digests"]["train"]}` |
| digest of the validation split | `{summary["data_digests"]["validation"]}` |
| drawings without a usable picture | {len(summary["missing_pictures"]["train"])} in train |
| drawings shortened, dropped, refused | {", ".join(str(summary[key]["train"]) for key in ACTIONS)} in train |
| parameters | {parameters["trainable"]:,} trainable of {parameters["total"]:,} ({parameters["percentage"]:.3g} %) |
| best evaluation | step {summary["best_step"]} of {summary["steps"]}, validation loss {summary["best_eval_loss"]:.4f}\
{chosen_by(summary, settings)} |
| end | {summary["stop_reason"]} |
| effective batch | {summary["effective_batch"]} = {summary["devices"]} x {summary["batch_size"]} \
x {summary["accumulation"]} (devices x batch x accumulation) |
| seed | {summary["seed"]} |
| versions | {", ".join(f"{name} {version}" for name, version in summary["versions"].items())} |

## Settings

```json
{json.dumps(dataclasses.asdict(settings), indent=2)}
```

## Loading it

```python
from peft import PeftModel
from transformers import {summary["base_class"]}

base = {summary["base_class"]}.from_pretrained("BASE")  # the base named above, in this revision
model = PeftModel.from_pretrained(base, "THIS_FOLDER")
```
"""


def chosen_by(summary: dict[str, Any], settings: TrainingSettings) -> str:
    """By which score of captions the best evaluation was chosen; nothing where it was by the loss."""
    if settings.best_by == LOSS:
        return ""
    captions = summary["eval_captions"]
    return (
        f", chosen by {settings.best_by} {captions['best_score']:.4f} of {len(captions['samples'])} validation captions"
    )
