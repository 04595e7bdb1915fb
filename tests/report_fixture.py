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
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from captions.health import FLAGS, Diagnosis
from core.records import (
    Caption,
    Image,
    Rejection,
    Sample,
    write_captions,
    write_images,
    write_json,
    write_rejections,
    write_samples,
)
from preprocess_svg import write_label_leakage
from samples.split_statistics import Statistics
from scoring.health import write_table

COLOURS = {"red": "#d62828", "blue": "#1d4ed8", "green": "#15803d", "yellow": "#facc15", "purple": "#7e22ce"}
SHAPES = ("circle", "square", "triangle")
RELATIONS = ("left of", "right of", "above", "below")
THINGS = ("smiling face", "house with garden", "evergreen tree", "sun behind cloud", "red heart", "sailboat")

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
    # The second test drawing has a twin in the train split.
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
            "answers": [folder / "preprocessed" / f"{source}.answers.csv" for source in sources],
            "training": [folder / "adapters" / model / "training.json" for model in models],
            "history": [folder / "adapters" / model / "history.jsonl" for model in models],
            "figures": [folder / "figures" / "radar.svg", folder / "figures" / "forest.svg"],
            "provenance": folder / "provenance.json",
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


def make_sample(index: int, rng: np.random.Generator, hostile: str) -> Sample:
    """One sample; every third is emoji-like."""
    if index % 3 == 0:
        thing = THINGS[index // 3 % len(THINGS)]
        xml, references, source = draw_thing(thing, index), [thing, f"a drawing of a {thing}"], "openmoji"
    else:
        xml, references, source = *draw_scene(rng), "scenes"
    if hostile:
        attack = "<script>parent.document.title='owned'</script><circle onload='alert(1)'/>"
        xml = xml.replace("</svg>", f"{attack}<image href='http://example.invalid/x.png' width='9' height='9'/></svg>")
    flags = ["repaired:colour" + hostile] if index % 7 == 0 else []
    flags += ["answer_left"] if index == 9 else []
    return Sample(
        id=f"{source}-{index:04d}{hostile}",
        source=source + hostile,
        split="test",
        group=f"g{index}",
        xml=xml,
        references=[reference + hostile for reference in references],
        flags=flags,
        n_chars=len(xml),
        n_shapes=xml.count("<") - 2,
        n_commands=xml.count("<") - 2,
        n_colours=len(set(xml.split('fill="'))) - 1,
    )


def lengthen_references(sample: Sample, n_words: int, rng: np.random.Generator) -> Sample:
    """The sample with that many words more in each reference, from a vocabulary with the frequencies of a language."""
    words = [np.base_repr(7919 * rank + 37, 36).lower() for rank in range(1500)]
    frequencies = 1 / np.arange(1, 1501)
    more = rng.choice(words, (len(sample.references), n_words), p=frequencies / frequencies.sum())
    references = [f"{text} {' '.join(row)}" for text, row in zip(sample.references, more, strict=True)]
    return dataclasses.replace(sample, references=references)


def draw_scene(rng: np.random.Generator) -> tuple[str, list[str]]:
    """Two shapes with their relation, and captions that say it in two ways."""
    colours, shapes = rng.choice(list(COLOURS), 2, replace=False), rng.choice(SHAPES, 2)
    relation = RELATIONS[rng.integers(4)]
    places = {
        "left of": ((130, 256), (380, 256)),
        "right of": ((380, 256), (130, 256)),
        "above": ((256, 130), (256, 380)),
        "below": ((256, 380), (256, 130)),
    }[relation]
    parts = []
    for colour, shape, (x, y) in zip(colours, shapes, places, strict=True):
        size, paint = int(rng.integers(50, 100)), f'fill="{COLOURS[colour]}"'
        parts.append(
            {
                "circle": f'<circle cx="{x}" cy="{y}" r="{size}" {paint}/>',
                "square": f'<rect x="{x - size}" y="{y - size}" width="{2 * size}" height="{2 * size}" {paint}/>',
                "triangle": f'<path d="M{x} {y - size}L{x + size} {y + size}H{x - size}Z" {paint}/>',
            }[shape]
        )
    first, second = (f"{colour} {shape}" for colour, shape in zip(colours, shapes, strict=True))
    xml = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">{"".join(parts)}</svg>'
    return xml, [f"a {first} {relation} a {second}", f"there is a {first} {relation} a {second}"]


def draw_thing(thing: str, index: int) -> str:
    """An emoji-like drawing. The index changes a coordinate, so that no two are equal."""
    parts = {
        "smiling face": '<circle cx="256" cy="256" r="180" fill="#fcea2b"/><circle cx="190" cy="210" r="22"/>'
        '<circle cx="322" cy="210" r="22"/>'
        '<path d="M160 300q96 110 192 0" fill="none" stroke="#000" stroke-width="16"/>',
        "house with garden": '<path d="M256 90L430 240H82Z" fill="#d22f27"/>'
        '<path d="M110 240h292v180H110Z" fill="#f1b31c"/>'
        '<path d="M220 310h72v110h-72Z" fill="#6a462f"/><path d="M40 420h432v40H40Z" fill="#5c9e31"/>',
        "evergreen tree": '<path d="M256 60L360 220H152ZM256 150L390 330H122ZM256 250L420 430H92Z" fill="#186648"/>'
        '<path d="M230 430h52v60h-52Z" fill="#6a462f"/>',
        "sun behind cloud": '<circle cx="200" cy="200" r="100" fill="#f1b31c"/>'
        '<path d="M180 380a80 80 0 0 1 20-158a110 110 0 0 1 210 40a62 62 0 0 1-10 118Z" fill="#d0cfce"/>',
        "red heart": '<path d="M256 440C60 300 60 120 170 110Q230 110 256 170Q282 110 342 110C452 120 452 300 256 440Z"'
        ' fill="#ea5a47"/>',
        "sailboat": '<path d="M250 60V340H90Z" fill="#fff" stroke="#000" stroke-width="10"/>'
        '<path d="M270 110V340H410Z" fill="#92d3f5"/><path d="M70 360H440L390 440H120Z" fill="#a57939"/>',
    }[thing]
    nudge = f'<path d="M{index % 512} 505h4v4h-4Z" fill="#9b9b9a"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">{parts}{nudge}</svg>'


def make_images(samples: list[Sample], hostile: str) -> list[Image]:
    """Rendered drawings; the fifth could not be rendered, the ninth is blank."""
    import svg2png_py

    fonts = svg2png_py.FontDatabase()
    images = []
    for index, sample in enumerate(samples):
        if index == 4:
            images.append(Image(sample.id, None, 0, 0, "failed", "over the limit of 10 s" + hostile))
            continue
        xml = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"></svg>' if index == 8 else sample.xml
        sized = xml.replace("<svg ", '<svg width="224" height="224" ', 1)
        png = svg2png_py.svg_to_png(sized, fonts, bg_color=(255, 255, 255, 255))
        images.append(Image(sample.id, png, 224, 224, "ok", flags=["blank"] if index == 8 else []))
    return images


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
                        "n_failed": n_failed if slice_name == "all" or "openmoji" in slice_name else 0,
                        "n_truncated": 2 if value["metric"] == "clip_score" and name == "constant" else 0,
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
        best[value["name"]] = {"system": leader, "ties": ties}
    notes = {"clip_score": "The embedded demo CLIP: not comparable with ViT-B/32."}
    return {
        "experiment": "demo" + hostile,
        "n_samples": len(samples),
        "confidence": 0.95,
        "n_resamples": 400,
        "seed": 20,
        "systems": [
            {"name": name, "label": label + hostile, "family": family, "base": base}
            for name, label, family, base, _ in systems
        ],
        "values": [
            {
                **value,
                "label": value["label"] + hostile,
                "higher_is_better": True,
                "signature": f"{value['metric']}|tokens:ptb|n_references:2|pycocoevalcap:1.2" + hostile,
                "note": notes.get(value["name"], "") + hostile,
            }
            for value in VALUES
        ],
        "slices": [{"name": name, "n": int(mask.sum())} for name, mask in masks.items()],
        "cells": cells,
        "pairs": pairs,
        "best": best,
        "human": [{"value": "cider", "score": 1.5, "low": 1.25, "high": 1.75, "n": 20}],
    }


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
                    "answer_removed": 5,
                    "answer_left": 2,
                },
            },
        )
        write_label_leakage(
            folder / "preprocessed" / f"{source}.answers.csv",
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
    """adapters/<model>/training.json and history.jsonl."""
    for number, model in enumerate(models):
        history = []
        for step in range(5, 65, 5):
            history.append({"step": step, "loss": 2.6 * 0.96**step + 0.2 + 0.05 * number, "learning_rate": 1e-3})
            if step % 10 == 0:
                history.append({"step": step, "eval_loss": 2.5 * 0.965**step + 0.3 + 0.002 * max(0, step - 50)})
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
                "parameters": {
                    "trainable": 921600 * (1 + number),
                    "total": 135436608,
                    "adapter_bytes": 3686400 * (1 + number),
                    "memory_bytes": {"weights": 272716416, "gradients": 3686400, "optimizer": 7372800},
                },
                "peak_memory_mb": 2210.5,
                "seconds": 231.4,
            },
        )


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
