"""Runs of score_judge for tests: six drawings, a right and a wrong system, and the scores that a judge gives them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from picture_samples import scene_samples

import score_judge
from comparison.competition import read_competition
from core.records import Caption, read_json, write_captions, write_samples
from scoring.metrics import load_metric

N = 6
SAMPLES = scene_samples("test", N)
RIGHT = [sample.references[0] for sample in SAMPLES]
SYSTEMS = ("right", "wrong")


def write_judged(folder: Path) -> None:
    """The samples, and the captions of both systems; one of the wrong one has failed."""
    write_samples(folder / "test.parquet", SAMPLES)
    write_system(folder, "right", RIGHT)
    write_system(folder, "wrong", [*(f"blue {n} thing" for n in range(N - 1)), ""])


def write_system(folder: Path, system: str, texts: Sequence[str]) -> None:
    """The captions of a system; an empty text is a failed one."""
    write_captions(folder / "captions" / f"{system}.jsonl", [
        Caption(sample.id, text, *(("ok",) if text else ("failed", "nothing")))
        for sample, text in zip(SAMPLES, texts, strict=True)
    ])  # fmt: skip


def judge(
    folder: Path, server: Any, metric: str, names: Sequence[str] = SYSTEMS, **changes: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scores by system, and the judge's record; without a server the changes name a model."""
    endpoint = {"base_url": server.base_url, "model": "judge", "max_new_tokens": 64} if server else None
    arguments = {
        "metric": metric,
        "systems": list(names),
        "captions_dir": folder / "captions",
        "samples": folder / "test.parquet",
        "endpoint": json.dumps(endpoint) if endpoint else None,
        "store": folder / "answers",
        "seed": 7,
        "scores_dir": folder / "scores",
        "judgements_dir": folder / "judgements",
        "record": folder / "judge.json",
    }
    score_judge.main(**{**arguments, **changes})
    competition = read_competition(folder / "scores", {name: {} for name in names}, [load_metric(metric)], SAMPLES)
    return {name: competition.scores[name, metric] for name in names}, read_json(folder / "judge.json")
