"""Measure compare.py on many systems: 40 systems and their 780 pairs, or 8 models that are trained with 5 seeds.

    python benchmarks/compare_systems.py --output benchmarks/compare_systems.json
    python benchmarks/compare_systems.py --n-seeds 5

Made-up captions of 40 systems on 2,000 samples, seeded, in 1,600 groups, are scored by the default metrics. BLEU,
ROUGE-L and CIDEr count real words; METEOR's counts and CLIP's cosines are drawn, which spares Java and a model and
changes no cost. compare.py runs as the workflow runs it, with 10,000 resamples and as many swapping trials, over all
samples and two slicings. Printed are its seconds by the clock, its CPU seconds over all threads, and its peak memory.
The last line is the results as JSON.

The confidence is 0.9: at 0.95 compare.py asks for 15,600 resamples, since with fewer no difference among 780 pairs
could be significant. The confidence changes no cost.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from score import SCRIPTS, TEXT_METRICS, spoil_caption, write_caption

from core.command import log, run_command
from core.records import Caption, Sample, write_json, write_samples
from scoring.metrics import Texts, load_metric
from scoring.metrics.clip_score import ClipSimilarities
from scoring.metrics.meteor import STATISTICS
from scoring.scores import collect_scores, write_scores

SHARE_OF_GROUPS = 0.8  # groups per sample
MEAN_WORDS = 8.0


def main(
    *, n_systems: int, n_seeds: int, n_samples: int, n_resamples: int, confidence: float, output: Path | None
) -> None:
    """Measure and print the results, last as one line of JSON; also write them to `output` where given."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        samples = make_samples(n_samples)
        write_samples(folder / "test.parquet", samples)
        systems = [f"system{number}" for number in range(n_systems)]
        for number, system in enumerate(systems):
            score_system(folder, system, samples, number)
        log("benchmark", f"{n_systems} systems scored on {n_samples} samples")
        results: dict[str, object] = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "load_before": os.getloadavg()[0],
            "n_systems": n_systems,
            "n_seeds": n_seeds,
            "n_samples": n_samples,
            "n_resamples": n_resamples,
            "confidence": confidence,
            **measure(folder, make_rows(systems, n_seeds), n_resamples, confidence),
        }
    for name, value in results.items():
        print(f"{name:24}{value:.2f}" if isinstance(value, float) else f"{name:24}{value}")
    if output:
        write_json(output, results)
    print(json.dumps(results))


def make_samples(n_samples: int) -> list[Sample]:
    """Made-up samples of two sources with one to five references, some of them in a group with others."""
    generator = random.Random(0)
    return [
        Sample(
            id=f"s{number}",
            source=generator.choice(["openmoji", "scenes"]),
            split="test",
            group=f"g{number % round(SHARE_OF_GROUPS * n_samples)}",
            xml="<svg/>",
            references=[write_caption(generator).rstrip(".").lower() for _ in range(generator.randint(1, 5))],
            n_commands=generator.randint(1, 200),
        )
        for number in range(n_samples)
    ]


def score_system(folder: Path, system: str, samples: list[Sample], seed: int) -> None:
    """Write the score files of a system that spoils between 20 and 80 percent of a reference's words."""
    generator = random.Random(seed)
    share = generator.uniform(0.2, 0.8)
    captions = [Caption(one.id, spoil_caption(generator.choice(one.references), share, generator)) for one in samples]
    for name, columns in make_columns(samples, captions, seed):
        metric = load_metric(name)
        path = folder / f"scores/{system}/{name}"
        scores = collect_scores(metric, system, captions, columns, metric.signature())
        write_scores(path.with_suffix(".json"), path.with_suffix(".parquet"), metric, scores)


def make_columns(
    samples: list[Sample], captions: list[Caption], seed: int
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Each default metric with its columns, as `score_samples` gives them."""
    generator, n = np.random.default_rng(seed), len(samples)
    texts = Texts(samples, captions, [caption.caption for caption in captions], [one.references for one in samples])
    for name in TEXT_METRICS:
        metric = load_metric(name)
        if name == "meteor":
            statistics = draw_meteor(n, generator)
            yield name, {**metric.corpus(statistics), **statistics}
        else:
            yield name, metric.score_samples(texts)
    nothing = np.zeros(n, dtype=bool)
    similarities = ClipSimilarities(*generator.uniform(0.1, 0.4, size=(3, n)), failed=nothing, truncated=nothing)
    yield "clip_score", load_metric("clip_score").score_samples(similarities)


def draw_meteor(n: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """METEOR's statistics of n captions: random counts in which the lengths exceed what is matched."""
    counts = {f"stat_{name}": generator.poisson(0.5, size=n).astype(float) for name in STATISTICS}
    for side in ("", "reference_"):
        counts[f"stat_{side}length"] += MEAN_WORDS
        counts[f"stat_{side}matched_words"] += 1.0
    counts["stat_chunks"] = np.ones(n)
    return {**counts, "stat_n": np.ones(n)}


def make_rows(systems: list[str], n_seeds: int) -> dict[str, dict[str, object]]:
    """The rows of the comparison: each system, or each `n_seeds` of them as the trainings of one model."""
    if n_seeds == 1:
        return {system: {"family": "file"} for system in systems}
    models = [systems[start : start + n_seeds] for start in range(0, len(systems), n_seeds)]
    return {
        runs[0]: {"family": "lora", "trainings": {str(number): run for number, run in enumerate(runs, 1)}}
        for runs in models
    }


def measure(folder: Path, rows: dict[str, dict[str, object]], n_resamples: int, confidence: float) -> dict[str, float]:
    """Seconds, CPU seconds and peak memory (MB) of compare.py."""
    command = [sys.executable, str(SCRIPTS / "compare.py"), "--experiment", "benchmark", "--samples", "test.parquet"]
    command += ["--systems", json.dumps(rows)]
    command += ["--metrics", *TEXT_METRICS, "clip_score", "--scores-dir", "scores", "--slices", "source", "commands"]
    command += ["--n-resamples", str(n_resamples), "--confidence", str(confidence), "--seed", "1"]
    command += ["--output", "comparison.json", "--table", "comparison.csv"]
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    seconds, usage = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-systems", type=int, default=40)
    parser.add_argument("--n-seeds", type=int, default=1, help="systems that are the trainings of one model")
    parser.add_argument("--n-samples", type=int, default=2000)
    parser.add_argument("--n-resamples", type=int, default=10_000)
    parser.add_argument("--confidence", type=float, default=0.9)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
