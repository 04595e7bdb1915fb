"""A small scored experiment for tests of compare.py: three systems on samples of two sources, without any model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from metric_fixtures import WORDS, make_texts

import compare
from captions.health import Diagnosis
from core.records import Caption, read_json, write_json
from scoring.health import write_table
from scoring.metrics import load_metric
from scoring.scores import collect_scores, write_scores

METRICS = ["bleu", "rouge_l", "cider"]
SYSTEMS = {
    "weak": {"label": "Weak, zero-shot", "family": "zero_shot", "base": "smol", "trained": False, "input": "code"},
    "good": {"label": "Good", "family": "lora", "base": "smol", "trained": True, "input": "code"},
    "twin": {"label": "Twin of the good one", "family": "lora", "base": "smol", "trained": True, "input": "code"},
}
SHARES = {"weak": 0.2, "good": 0.7, "twin": 0.7}  # of the reference's words that a system gets right
N = 60


def write_system(folder: Path, system: str, ids: list[str], n_references: int = 1) -> None:
    """Score made-up captions of a system; every tenth one failed."""
    generator = np.random.default_rng(sorted(SHARES).index(system))
    references = [" ".join(np.random.default_rng(number).choice(WORDS, 8)) for number in range(len(ids))]
    captions = [
        ""
        if number % 10 == 9
        else " ".join(
            word if generator.random() < SHARES[system] else generator.choice(WORDS) for word in reference.split()
        )
        for number, reference in enumerate(references)
    ]
    texts = make_texts(captions, [[reference] * n_references for reference in references])
    for record, record_id in zip(texts.captions, ids, strict=True):
        record.id = record_id
    for name in METRICS:
        metric = load_metric(name)
        scores = collect_scores(
            metric, system, texts.captions, metric.score_samples(texts), metric.signature(n_references=n_references)
        )
        path = folder / "scores" / system / name
        write_scores(path.with_suffix(".json"), path.with_suffix(".parquet"), metric, scores)


def run(folder: Path, **changes) -> dict:
    arguments = {
        "experiment": "demo",
        "samples": folder / "test.parquet",
        "systems": SYSTEMS,
        "metrics": METRICS,
        "scores_dir": folder / "scores",
        "slices": ["source", "commands"],
        "n_resamples": 500,
        "confidence": 0.95,
        "seed": 7,
        "output": folder / "comparison.json",
        "table": folder / "comparison.csv",
        "text": folder / "comparison.txt",
    }
    compare.main(**{**arguments, **changes})
    return read_json(folder / "comparison.json")


def find_cell(comparison: dict, system: str, value: str, part: str = "all") -> dict:
    (cell,) = [
        cell for cell in comparison["cells"] if (cell["system"], cell["value"], cell["slice"]) == (system, value, part)
    ]
    return cell


def write_values(folder: Path, system: str, values: list[float]) -> None:
    """Score files of rouge_l with given values."""
    metric = load_metric("rouge_l")
    applies = ~np.isnan(values)
    columns = {
        "rouge_l": np.array(values),
        "stat_rouge_l": np.nan_to_num(values),
        "stat_rouge_l_n": applies.astype(float),
    }
    captions = make_texts(["x"] * len(values), [["x"]] * len(values)).captions
    path = folder / "scores" / system / "rouge_l"
    scores = collect_scores(metric, system, captions, columns, "rouge_l")
    write_scores(path.with_suffix(".json"), path.with_suffix(".parquet"), metric, scores)


def write_health(folder: Path, flagged: dict[str, list[int]], alarms: list[str], n: int = N) -> None:
    """Health files of the system `good`: the samples with each flag, and which flags alarm."""
    flags = [
        {"name": name, "label": name, "n": len(members), "rate": 0.0, "max_rate": 0.0, "alarm": name in alarms}
        for name, members in flagged.items()
    ]
    write_json(folder / "health/good.json", {"system": "good", "n": n, "flags": flags})
    diagnoses = [
        Diagnosis([name for name, members in flagged.items() if number in members], None, 1, None)
        for number in range(n)
    ]
    captions = [Caption(f"s{number}", "x") for number in range(n)]
    write_table(folder / "health/good.parquet", captions, diagnoses)
