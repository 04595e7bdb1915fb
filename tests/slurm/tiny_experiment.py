"""A small experiment for accidents: its data are made, its next job is the training of a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from workflow_runs import snakemake

from core.records import Sample

COLOURS = ["red", "green", "blue", "yellow", "pink", "black"]
SETTINGS = {"r": 4, "alpha": 8, "targets": ["q_proj", "v_proj"], "dropout": 0.0, "batch_size": 2, "accumulation": 1}
SETTINGS |= {"learning_rate": 0.01, "max_steps": 240, "eval_steps": 20, "save_steps": 20, "log_steps": 20}
SETTINGS |= {"dtype": "fp32", "wandb": "disabled"}
ADAPTER = "results/tiny/adapters/tiny/adapter_model.safetensors"
CHECKPOINTS = "results/tiny/adapters/tiny/checkpoints"
COMMAND = (ADAPTER, "--configfile", "tiny.yaml")


def samples(split, n):
    return [
        Sample(
            id=f"{split}{k}",
            source="drawings",
            split=split,
            group=str(k),
            xml="<svg>" + f'<rect width="{k + 1}" height="9" fill="{COLOURS[k % 6]}"/>' * (1 + k % 4) + "</svg>",
            references=[f"a {COLOURS[k % 6]} square"],
        )
        for k in range(n)
    ]


def prepare(project: Path, base: Path) -> None:
    """Everything before the training, made on this machine."""
    records = [
        {"id": sample.id, "svg": sample.xml.replace("<svg>", '<svg viewBox="0 0 99 99">'), "caption": sample.references}
        | {"split": sample.split}
        for split, n in (("train", 20), ("validation", 6), ("test", 4))
        for sample in samples(split, n)
    ]
    (project / "drawings.json").write_text(json.dumps([{**r, "captions": r.pop("caption")} for r in records]))
    config = {
        "experiment": "tiny",
        "dataset": {"sources": {"drawings": {"path": "drawings.json"}}},
        "presets": {"quick": SETTINGS},
        "bases": {"tiny-llama": {"source": {"path": str(base)}}},
        "models": {"tiny": {"base": "tiny-llama", "preset": "quick"}},
        "baselines": {"constant": {}},
        "clip": {"source": {"path": str(write_clip_files(project / "clip"))}},
        "metrics": ["bleu"],
    }
    (project / "tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (project / "results" / "tiny" / "data").mkdir(parents=True)
    snakemake(
        project, "--cores", "2", "--configfile", "tiny.yaml", "--until", "split_samples", "fetch_model", "--", ADAPTER
    )


def write_clip_files(folder: Path) -> Path:
    """The files of a CLIP folder, which no job of these runs reads."""
    folder.mkdir()
    for name in ("open_clip_config.json", "open_clip_model.safetensors"):
        (folder / name).write_text("{}")
    return folder
