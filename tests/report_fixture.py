"""Makes a small but realistic experiment folder, in the formats of docs/design.md, without running any stage.

    python tests/report_fixture.py FOLDER [n_samples] [n_systems]

Scores are simple word overlaps with bootstrap intervals: right in shape and size, not the real metrics.
`hostile` is put into every text field; tests give it what would execute if the report let it.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from report_samples import lengthen_references, make_images, make_sample
from report_scores import make_captions, make_comparison, score_captions, write_health, write_score_tables

from core.records import (
    Rejection,
    Sample,
    write_captions,
    write_images,
    write_json,
    write_json_lines,
    write_rejections,
    write_samples,
)
from samples.preprocessing import write_label_leakage
from samples.split_statistics import Statistics

SYSTEMS: list[tuple[str, str, str, str | None, float]] = [  # name, label, family, base, share of right words
    ("smollm2-zero-shot", "SmolLM2 zero-shot", "zero_shot", "smollm2", 0.05),
    ("smollm2-test1", "SmolLM2 LoRA r 4", "lora", "smollm2", 0.72),
    ("smollm2-test3", "SmolLM2 LoRA r 16", "lora", "smollm2", 0.93),
    ("clip-nearest", "nearest by CLIP", "baseline", None, 0.55),
    ("constant", "constant", "baseline", None, 0.3),
    ("blip-large", "BLIP large", "captioner", None, 0.4),
    ("vit-gpt2", "ViT-GPT2", "captioner", None, 0.35),
    ("cogvlm", "CogVLM", "captioner", None, 0.6),
]


@dataclass
class Experiment:
    """Where the parts of a made experiment lie, and the arguments of html_report.main for them."""

    folder: Path
    arguments: dict[str, Any]


def make_experiment(
    folder: Path, n_samples: int = 24, n_systems: int = 5, hostile: str = "", n_more_words: int = 0
) -> Experiment:
    """Write all that the report reads. A third of the samples are emoji-like, the others scenes.

    `n_more_words` of no meaning make each reference, and so each caption, as long as those of long descriptions.
    """
    rng = np.random.default_rng(1)
    samples = [make_sample(index, rng, hostile) for index in range(n_samples)]
    if n_more_words:
        samples = [lengthen_references(sample, n_more_words, rng) for sample in samples]
    images = make_images(samples, hostile)
    write_samples(folder / "data" / "test.parquet", samples)
    # The second test drawing has a near-duplicate in the train split.
    train = [make_sample(n_samples + index, rng, hostile) for index in range(3)]
    train[2] = dataclasses.replace(train[2], xml=samples[1].xml)
    write_samples(folder / "data" / "train.parquet", [dataclasses.replace(one, split="train") for one in train])
    write_images(folder / "images" / "test.parquet", images)
    systems = SYSTEMS[:n_systems]
    scores: dict[str, dict[str, np.ndarray]] = {}
    for number, (name, *_, skill) in enumerate(systems):
        captions = make_captions(samples, name, skill, np.random.default_rng(number), hostile)
        write_captions(folder / "captions" / f"{name}.jsonl", captions)
        scores[name] = score_captions(samples, images, captions)
        write_score_tables(folder / "scores" / name, samples, captions, scores[name])
        write_health(folder / "health", name, captions, hostile)
    write_json(folder / "comparison.json", make_comparison(samples, systems, scores, folder, hostile))
    write_counts(folder, samples, hostile)
    write_training(folder, [name for name, _, family, *_ in systems if family == "lora"], hostile)
    write_provenance(folder, hostile)
    write_figures(folder, hostile)
    write_mismatch(folder, samples)
    edges = [("split_samples", "train_lora"), ("train_lora", "caption_llm"), ("caption_llm", "compare" + hostile)]
    write_json(folder / "rule_graph.json", [*edges, ("split_samples", "caption_llm")])
    models = [name for name, _, family, *_ in systems if family == "lora"]
    sources = ("openmoji", "scenes")
    return Experiment(
        folder,
        {
            "experiment": "demo" + hostile,
            "comparison": folder / "comparison.json",
            "train": folder / "data" / "train.parquet",
            "samples": folder / "data" / "test.parquet",
            "images": folder / "images" / "test.parquet",
            "captions_dir": folder / "captions",
            "scores_dir": folder / "scores",
            "health_dir": folder / "health",
            "counts": folder / "data" / "counts.json",
            "statistics": folder / "data" / "statistics.json",
            "left_out": folder / "data" / "left_out.csv",
            "preprocess_counts": [folder / "preprocessed" / f"{source}.counts.json" for source in sources],
            "rejected": [folder / "preprocessed" / f"{source}.rejected.csv" for source in sources],
            "label_leakage": [folder / "preprocessed" / f"{source}.label_leakage.csv" for source in sources],
            "training": [folder / "adapters" / model / "training.json" for model in models],
            "history": [folder / "adapters" / model / "history.jsonl" for model in models],
            "figures": [folder / "figures" / "radar.svg", folder / "figures" / "forest.svg"],
            "provenance": folder / "provenance.json",
            "mismatch": folder / "mismatch.json",
            "benchmarks_dir": folder / "benchmarks",
            "logs_dir": folder / "logs",
            "rule_graph": folder / "rule_graph.json",
            "credits": json.dumps(
                [
                    {
                        "name": "OpenMoji" + hostile,
                        "licence": "CC BY-SA 4.0" + hostile,
                        "url": "https://openmoji.org" if not hostile else "javascript:document.title='owned'",
                        "note": "drawings, rewritten as canonical xml" + hostile,
                    },
                    {"name": "SmolLM2-135M-Instruct", "licence": "Apache-2.0", "url": "https://huggingface.co/"},
                ]
            ),
            "output": folder / "report.html",
        },
    )


def write_mismatch(folder: Path, samples: list[Sample]) -> None:
    """The ranks of references: that of the second sample is flagged."""
    worst = [
        {
            "id": sample.id,
            "source": sample.source,
            "reference": 0,
            "n_better": 97 - number,
            "n_others": 100,
            "flagged": number == 0,
            "caption": sample.references[0],
        }
        for number, sample in enumerate(samples[1:4])
    ]
    counts = {"captions": 16, "ranked": 16, "flagged": 1, "threshold": 0.9, "found": 0.1, "most_mismatched": 0.25}
    few = {"captions": 8, "ranked": 0, "flagged": 0, "threshold": None, "found": None, "most_mismatched": None}
    write_json(
        folder / "mismatch.json",
        {
            "n_others": 100,
            "max_false_alarms": 0.02,
            "sources": {samples[1].source: counts, "few": few},
            "flagged": [samples[1].id],
            "worst": worst,
        },
    )


def write_counts(folder: Path, samples: list[Sample], hostile: str) -> None:
    """Counts and lists of preprocessing and splitting, which add up."""
    sources: dict[str, Any] = {}
    left_out: list[list[str]] = []
    for source, train in (("openmoji", 150), ("scenes", 300)):
        name = source + hostile
        test = sum(sample.source == name for sample in samples)
        rejected = [Rejection(name, f"{source}-x{i}{hostile}", i * 31, "no path in it" + hostile) for i in range(3)]
        left = [[f"{source}-y{i}{hostile}", name, "too_long"] for i in range(4)]
        left += [[f"{source}-z{i}", name, "duplicates"] for i in range(2)]
        kept = train + 20 + test + len(left)
        sources[name] = {
            "kept": kept,
            "too_long": 4,
            "over_cap": 0,
            "duplicates": 2,
            "train": train,
            "validation": 20,
            "test": test,
        }
        write_rejections(folder / "preprocessed" / f"{source}.rejected.csv", rejected)
        write_json(
            folder / "preprocessed" / f"{source}.counts.json",
            {
                "source": name,
                "in": kept + len(rejected),
                "rejected": len(rejected),
                "kept": kept,
                "flags": {
                    "repaired:colour" + hostile: 12,
                    "repaired:viewbox": 3,
                    "label_leakage_removed": 5,
                    "label_leakage_left": 2,
                },
            },
        )
        write_label_leakage(
            folder / "preprocessed" / f"{source}.label_leakage.csv",
            [(f"{source}-0009{hostile}", "sun cloud" + hostile), (f"{source}-t7", "heart")],
        )
        left_out += left
    duplicates = {
        "near_pairs": 7,
        "caption_duplicates": {"inside": 5, "across": 1},
        "kept_together": 31,
        "common_captions": 1,
    }
    leakage = {"setting": "move", "groups": 4, "groups_with_test": 2, "groups_by_caption": 1, "moved": 6}
    write_json(folder / "data" / "counts.json", {"sources": sources, "duplicates": duplicates, "leakage": leakage})
    statistics = Statistics()
    for split, number in (("train", 4), ("validation", 2), ("test", 1)):
        for sample in samples[::number] * number:
            statistics.add(dataclasses.replace(sample, split=split))
    write_json(folder / "data" / "statistics.json", statistics.summarise())
    with open(folder / "data" / "left_out.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "source", "reason"], *left_out])


def write_training(folder: Path, models: list[str], hostile: str) -> None:
    """adapters/<model>/training.json and history.jsonl; the first model wrote captions at its evaluations."""
    for number, model in enumerate(models):
        history = []
        for step in range(5, 65, 5):
            history.append({"step": step, "loss": 2.6 * 0.96**step + 0.2 + 0.05 * number, "learning_rate": 1e-3})
            if step % 10 == 0:
                history.append({"step": step, "eval_loss": 2.5 * 0.965**step + 0.3 + 0.002 * max(0, step - 50)})
                history[-1] |= {} if number else {"eval_cider": step / 60, "caption_seconds": 4.0}
        path = folder / "adapters" / model / "history.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(entry) + "\n" for entry in history), encoding="utf-8")
        write_json(
            folder / "adapters" / model / "training.json",
            {
                "model": model,
                "stop_reason": "max_steps reached" + hostile,
                "best_step": 50,
                "best_eval_loss": 0.724,
                "steps": 60,
                "planned_steps": 60 + 20 * number,
                "devices": 1,
                "effective_batch": 8,
                "batch_size": 2,
                "accumulation": 4,
                "micro_batch": {
                    "cut": {"batch_size": 2, "accumulation": 4, "gradient_checkpointing": True},
                    "reason": "3.0 times as fast as 1 x 8 as given" + hostile,
                    "device": "the CPU",
                    "packing": "packed, by flash_attention_2",
                    "tokens_per_second": {"1 x 8": 100.0, "2 x 4 checkpointed": 300.0},
                },
                "parameters": {
                    "trainable": 921600 * (1 + number),
                    "total": 135436608,
                    "adapter_bytes": 3686400 * (1 + number),
                    "memory_bytes": {"weights": 272716416, "gradients": 3686400, "optimizer": 7372800},
                },
                "peak_memory_mb": 2210.5,
                "seconds": 231.4,
                **({} if number else {"eval_captions": write_eval_captions(path.parent, hostile)}),
            },
        )


def write_eval_captions(folder: Path, hostile: str) -> dict[str, Any]:
    """eval_captions.jsonl of a training; returns what training.json says of it."""
    ids = [f"validation {n}{hostile}" for n in range(5)]
    captions = {str(step): f"at step {step}{hostile}" for step in range(10, 65, 10)} | {"20": ""}
    records = [{"id": id, "references": [f"of {id}"], "captions": captions} for id in ids]
    write_json_lines(folder / "eval_captions.jsonl", records)
    return {
        "metric": "cider",
        "best_score": 50 / 60,
        "best_by": "loss",
        "seconds": 24.0,
        "max_new_tokens": 32,
        "samples": ids,
    }


def write_provenance(folder: Path, hostile: str) -> None:
    """provenance.json, and benchmark files in Snakemake's format."""
    write_json(
        folder / "provenance.json",
        {
            "code": {"commit": "0123456789abcdef" + hostile, "uncommitted_changes": False},
            "versions": {"python": "3.11.7", "torch": "2.14.1", "transformers": "5.24.0", "snakemake": "9.27.1"},
            "data": {"test": {"samples": 24, "sha256": "fedcba98"}},
            "machine": {"system": "Linux", "processor": "x86_64", "cores": 2},
            "configuration": {"experiment": "demo", "seed": 20, "prompt": {"instruction": "Write a caption" + hostile}},
        },
    )
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for name, seconds in (("train_lora/smollm2-test3", 231.4), ("render_png/test", 3.1), ("compare", 0.9)):
        path = folder / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"{header}{seconds}\t0:03:51\t2210.5\t9000.1\t2100.0\t2105.0\t0.1\t3.2\t180.0\t{seconds * 1.8}\n"
        )
    gpu = {"name": "NVIDIA L40S" + hostile, "memory_mb": 31000, "memory_total_mb": 46068, "utilisation": 87}
    samples = [{"attempt": 0.0, "time": 5.0, "gpus": [gpu, gpu]}, {"attempt": 0.0, "time": 1800.0, "end": 0}]
    path = folder / "logs" / "train_lora" / "smollm2-test3.log.gpu.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(sample) + "\n" for sample in samples))


def write_figures(folder: Path, hostile: str) -> None:
    """Stand-ins for the charts; test_radar_chart makes the real ones."""
    script = "<script>parent.document.title='owned'</script>" if hostile else ""
    for name in ("radar", "forest"):
        path = folder / "figures" / f"{name}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><circle cx="5" cy="5" r="4"/>{script}</svg>'
        )


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[2:]]
    made = make_experiment(Path(sys.argv[1]), *numbers)
    print(made.folder)
