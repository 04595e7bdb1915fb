"""The captions, scores, health and comparison of the made experiment of report_fixture.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from captions.health import FLAGS, Diagnosis
from core.records import Caption, Image, Sample, write_json
from scoring.health import write_table

VALUES: list[dict[str, Any]] = [
    {"name": "bleu_1", "metric": "bleu", "label": "BLEU-1", "range": [0, 1], "radar": False},
    {"name": "bleu_2", "metric": "bleu", "label": "BLEU-2", "range": [0, 1], "radar": False},
    {"name": "bleu_3", "metric": "bleu", "label": "BLEU-3", "range": [0, 1], "radar": False},
    {"name": "bleu_4", "metric": "bleu", "label": "BLEU-4", "range": [0, 1], "radar": True},
    {"name": "meteor", "metric": "meteor", "label": "METEOR", "range": [0, 1], "radar": True},
    {"name": "rouge_l", "metric": "rouge_l", "label": "ROUGE-L", "range": [0, 1], "radar": True},
    {"name": "cider", "metric": "cider", "label": "CIDEr", "range": [0, 10], "radar": True},
    {"name": "clip_score", "metric": "clip_score", "label": "CLIP score", "range": [0, 100], "radar": True},
    {"name": "clip_cosine", "metric": "clip_score", "label": "CLIP cosine", "range": [-1, 1], "radar": False},
    {"name": "clipscore", "metric": "clip_score", "label": "CLIPScore", "range": [0, 2.5], "radar": False},
    {"name": "refclipscore", "metric": "clip_score", "label": "RefCLIPScore", "range": [0, 1.43], "radar": False},
]

INPUTS = {"captioner": "image", "clip-nearest": "image", "constant": "none"}  # of a family or system; others read code
CORPUS = ("bleu", "meteor")  # metrics whose scores are no means of the samples' values


def make_captions(
    samples: list[Sample], name: str, skill: float, rng: np.random.Generator, hostile: str
) -> list[Caption]:
    """Captions in which about `skill` of the words are right; the seventh of zero-shot systems is a failure."""
    wrong = ["a", "stylized", "representation", "of", "the", "circle", "blue", "above", "shape", "white", "sign"]
    captions = []
    for index, sample in enumerate(samples):
        if name.endswith("zero-shot") and index == 6:
            captions.append(Caption(sample.id, "", "failed", "empty caption" + hostile, "eos", 210, 1, 0.2))
            continue
        words = sample.references[0].removesuffix(hostile).split()
        exact = rng.random() < skill**3
        said = words[:12]  # of long references only the beginning is told well or ill
        kept = [word if exact or rng.random() < skill else str(rng.choice(wrong)) for word in said] + words[12:]
        finish = "length" if name.endswith("zero-shot") and index % 5 == 0 else "eos"
        text = " ".join(kept if name != "constant" else ["a", "red", "circle"]) + hostile
        captions.append(Caption(sample.id, text, "ok", "", finish, 210, len(kept) + 1, 0.21))
    return captions


def score_captions(
    samples: list[Sample], images: list[Image], captions: list[Caption]
) -> dict[str, np.ndarray]:  # value → one number a sample
    """Word overlaps, dressed up as the values of the real metrics."""
    overlap, exact = [], []
    for sample, caption in zip(samples, captions, strict=True):
        words = caption.caption.split()
        best = 0.0
        for reference in sample.references:
            common = len(set(words) & set(reference.split()))
            best = max(best, 2 * common / (len(set(words)) + len(set(reference.split()))))
        overlap.append(best)
        exact.append(float(caption.caption in sample.references))
    f, e = np.array(overlap), np.array(exact)
    drawn = np.array([image.status == "ok" for image in images])
    clip = np.where(drawn, 15 + 12 * f, np.nan)
    return {
        "bleu_1": f * 0.98,
        "bleu_2": f**1.6 * 0.95,
        "bleu_3": f**2.2 * 0.93,
        "bleu_4": f**3 * 0.9,
        "meteor": f * 0.5 + e * 0.3,
        "rouge_l": f,
        "cider": f**2 * 2 + e * 3,
        "clip_score": clip,
        "clip_cosine": clip / 100,
        "clipscore": clip / 40,
        "refclipscore": clip / 35,
    }


def write_score_tables(
    folder: Path, samples: list[Sample], captions: list[Caption], scores: dict[str, np.ndarray]
) -> None:
    """scores/<system>/<metric>.{json,parquet}."""
    failed = [caption.status == "failed" for caption in captions]
    for metric in dict.fromkeys(value["metric"] for value in VALUES):
        names = [value["name"] for value in VALUES if value["metric"] == metric]
        columns = {"id": pa.array([sample.id for sample in samples]), "failed": pa.array(failed)}
        columns |= {name: pa.array(scores[name], pa.float64(), from_pandas=True) for name in names}
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), folder / f"{metric}.parquet")
        write_json(
            folder / f"{metric}.json",
            {
                "system": folder.name,
                "metric": metric,
                "n": len(samples),
                "n_failed": sum(failed),
                "values": {name: float(np.nanmean(scores[name])) for name in names},
                "signature": f"{metric}|tokens:ptb",
            },
        )


def write_health(folder: Path, system: str, captions: list[Caption], hostile: str) -> None:
    """health/<system>.{json,parquet}: what was not written, and what was cut at its end; more than 10 % alarm."""
    flags = [
        ["empty"] if caption.status == "failed" else ["cut_at_end"] if caption.finish_reason == "length" else []
        for caption in captions
    ]
    write_table(
        folder / f"{system}.parquet",
        captions,
        [Diagnosis(found, None, len(c.caption.split()), 1.0) for found, c in zip(flags, captions, strict=True)],
    )
    counts = {name: sum(name in found for found in flags) for name in FLAGS}
    write_json(
        folder / f"{system}.json",
        {
            "system": system,
            "n": len(captions),
            "n_failed": counts["empty"],
            "reasons": {},
            "flags": [
                {
                    "name": name,
                    "label": label + hostile,
                    "n": counts[name],
                    "rate": counts[name] / len(captions),
                    "max_rate": 0.1,
                    "alarm": counts[name] / len(captions) > 0.1,
                }
                for name, label in FLAGS.items()
            ],
            "language": {"expected": "en", "detector": "none", "min_probability": 0.7, "found": {"en" + hostile: 1}},
            "words": {"median": 7, "reference_median": 8},
            "most_frequent": {"caption": captions[0].caption + hostile, "n": 2},
            "alone": {"n": 16, "n_differ": 2},
        },
    )


def make_comparison(
    samples: list[Sample],
    systems: list[tuple[str, str, str, str | None, float]],
    scores: dict[str, dict[str, np.ndarray]],
    folder: Path,
    hostile: str,
) -> dict[str, Any]:
    """comparison.json with bootstrap intervals of means; ties by overlap of intervals of the difference."""
    rng = np.random.default_rng(20)
    sources = np.array([sample.source for sample in samples])
    masks = {"all": np.ones(len(samples), bool)} | {f"source={name}": sources == name for name in sorted(set(sources))}
    commands = np.array([sample.n_commands for sample in samples])
    masks |= {"commands=few": commands == commands.min(), "commands=many": commands > commands.min()}
    picks = {name: rng.choice(np.flatnonzero(mask), (400, mask.sum())) for name, mask in masks.items()}
    cells, pairs, best = [], [], {}
    for value in VALUES:
        resampled = {}
        for name, *_ in systems:
            column = scores[name][value["name"]]
            n_failed = int(name.endswith("zero-shot"))
            for slice_name, mask in masks.items():
                means = np.nanmean(column[picks[slice_name]], axis=1)
                low, high = np.quantile(means, [0.025, 0.975])
                cells.append(
                    {
                        "system": name,
                        "value": value["name"],
                        "slice": slice_name,
                        "score": float(np.nanmean(column[mask])),
                        "low": float(low),
                        "high": float(high),
                        "n": int(np.isfinite(column[mask]).sum()),
                        "n_groups": int(np.isfinite(column[mask]).sum()) - (slice_name == "all"),
                        "n_failed": n_failed if slice_name == "all" or "openmoji" in slice_name else 0,
                        "n_truncated": 2 if value["metric"] == "clip_score" and name == "constant" else 0,
                        "sample_mean": float(np.nanmean(column[mask])) / 2 if value["metric"] in CORPUS else None,
                    }
                )
                if slice_name == "all":
                    resampled[name] = means
        leader = max(resampled, key=lambda name: resampled[name].mean())
        ties = [
            name
            for name, means in resampled.items()
            if name != leader and np.quantile(resampled[leader] - means, 0.025) <= 0
        ]
        names = list(resampled)
        for first, second in ((a, b) for i, a in enumerate(names) for b in names[i + 1 :]):
            lead = resampled[first] - resampled[second]
            low, high = np.quantile(lead, [0.025, 0.975])
            p = min(1.0, 2 * min((lead <= 0).mean(), (lead >= 0).mean()) + 0.002)
            pairs.append(
                {
                    "value": value["name"],
                    "a": first,
                    "b": second,
                    "difference": float(lead.mean()),
                    "low": float(low),
                    "high": float(high),
                    "p": p,
                    "p_holm": p,
                }
            )
        by_mean = leader if value["metric"] in CORPUS else None
        best[value["name"]] = {"system": leader, "ties": ties, "testable": True, "by_sample_mean": by_mean}
    notes = {"clip_score": "The embedded demo CLIP: not comparable with ViT-B/32."}
    return {
        "version": 1,
        "experiment": "demo" + hostile,
        "n_samples": len(samples),
        "n_groups": len(samples) - 1,
        "confidence": 0.95,
        "n_resamples": 400,
        "seed": 20,
        "systems": [
            {
                "name": name,
                "label": label + hostile,
                "family": family,
                "base": base,
                "trained": family in ("lora", "baseline"),
                "input": INPUTS.get(name, INPUTS.get(family, "code")),
                "trainings": {"1": name} if family == "lora" else None,
            }
            for name, label, family, base, _ in systems
        ],
        "values": [
            {
                **value,
                "label": value["label"] + hostile,
                "higher_is_better": True,
                "corpus": value["metric"] in CORPUS,
                "signature": f"{value['metric']}|tokens:ptb|n_references:2|pycocoevalcap:1.2" + hostile,
                "note": notes.get(value["name"], "") + hostile,
            }
            for value in VALUES
        ],
        "slices": [
            {
                "name": name,
                "n": int(mask.sum()),
                "n_groups": int(mask.sum()) - (name == "all"),
                "effective_groups": 12.0,
            }
            for name, mask in masks.items()
        ],
        "cells": cells,
        "pairs": pairs,
        "best": best,
        "human": [{"value": "cider", "score": 1.5, "low": 1.25, "high": 1.75, "n": 20, "n_groups": 19}],
        "health": [
            {"system": name, "slice": "all", "intervals": {flag: [0.0125, 0.25] for flag in FLAGS}}
            for name, *_ in systems
        ],
    }
