"""How often intervals hold the true value, and equal systems differ significantly, on made-up experiments.

    python benchmarks/coverage.py --repeats 2000 --output coverage.json

Samples come in groups whose scores are correlated by 0.8; a system's true score is known. Three kinds of scores: spread
evenly between 0 and 1 (like ROUGE-L or CLIP), zero-heavy (70% are 0, the others exponential: like CIDEr of a weak
system), and counts of words from which BLEU-4 is computed. Each is resampled as compare.py does, and as it would be
if samples were independent. docs/statistics.md has the results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.stats

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from comparison.grouping import effective_groups, group_sizes, sum_by_group
from comparison.resampling import bootstrap_sums, expanded_interval, randomisation_p, swapped_sums, tries_all
from comparison.shares import share_interval
from core.command import run_command
from core.records import write_json
from scoring.metrics import load_metric

CORRELATION, CONFIDENCE, N_RESAMPLES = 0.8, 0.95, 1000
VERY_MANY = 1e9  # groups, with which an interval lies between the plain percentiles
N_WORDS = 10  # of each caption and reference, for BLEU
Generator = np.random.Generator
# Normal numbers (n samples, n systems) → statistics of each system, (n systems, n samples, n statistics)
Draw = Callable[[np.ndarray, Generator], np.ndarray]
Corpus = Callable[[np.ndarray], np.ndarray]  # sums of statistics on the last axis → values


def draw_even(normal: np.ndarray, _: Generator) -> np.ndarray:
    return with_ones(scipy.stats.norm.cdf(normal))


def draw_zero_heavy(normal: np.ndarray, _: Generator) -> np.ndarray:
    share = np.minimum(scipy.stats.norm.cdf(normal), 1 - 1e-12)
    return with_ones(np.where(share < 0.7, 0.0, -np.log(1 - np.maximum(0.0, (share - 0.7) / 0.3))))


def draw_counts_of_words(normal: np.ndarray, generator: Generator) -> np.ndarray:
    """BLEU's statistics of captions that have each word right with a probability of their own."""
    right = scipy.stats.norm.cdf(0.5 + 0.5 * normal)
    guesses = np.array([N_WORDS - order for order in range(4)])
    matches = [generator.binomial(guess, right ** (order + 1)) for order, guess in enumerate(guesses)]
    same = [np.full(normal.shape, number) for number in (1, N_WORDS, N_WORDS)]
    counts = np.stack([*same, *matches, *(np.full(normal.shape, guess) for guess in guesses)], axis=-1)
    return np.moveaxis(counts.astype(float), 1, 0)


def with_ones(values: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.stack([values, np.ones(values.shape)], axis=-1), 1, 0)


def mean_of(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def bleu_of(sums: np.ndarray) -> np.ndarray:
    names = ["n", "length", "reference_length"]
    names += [f"{kind}_{order}" for kind in ("match", "guess") for order in range(1, 5)]
    metric = load_metric("bleu")
    return metric.corpus({f"stat_{name}": sums[..., place] for place, name in enumerate(names)})["bleu_4"]


KINDS: dict[str, tuple[Draw, Corpus]] = {
    "even": (draw_even, mean_of),
    "zero-heavy": (draw_zero_heavy, mean_of),
    "BLEU-4": (draw_counts_of_words, bleu_of),
}
SIZES: dict[str, np.ndarray] = {
    **{f"{n} groups of 5": np.full(n, 5) for n in (5, 8, 10, 20, 40, 80, 200)},
    **{f"{n} groups, a tenth of 10, the others of 1": np.repeat([10, 1], [n // 10, n - n // 10]) for n in (20, 40, 80)},
    "68 groups of 80 samples": np.repeat([3, 2, 1], [2, 8, 58]),
}
SHARES = (0.01, 0.05, 0.2, 0.5)


def draw_normal(sizes: np.ndarray, n_systems: int, generator: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Correlated normal numbers, (n samples, n systems), and the samples' groups."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    shared = generator.normal(size=(len(sizes), n_systems))[groups]
    own = generator.normal(size=(len(groups), n_systems))
    return np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own, groups


def true_value(draw: Draw, corpus: Corpus, generator: Generator) -> float:
    return float(corpus(draw(generator.normal(size=(2_000_000, 1)), generator)[0].sum(axis=0)))


def measure(kind: str, sizes: np.ndarray, repeats: int) -> dict[str, float]:
    """Shares of the repeats: intervals that hold the true value, by groups, by their plain percentiles, and by samples;
    and two equal systems that differ with p < 0.05, by groups and by samples."""
    draw, corpus = KINDS[kind]
    generator = np.random.default_rng(1)
    truth = true_value(draw, corpus, generator)
    found = dict.fromkeys(("groups", "percentiles", "samples", "p by groups", "p by samples"), 0)
    for _ in range(repeats):
        normal, groups = draw_normal(sizes, 2, generator)
        statistics = draw(normal, generator)
        rows = {
            "groups": np.concatenate([sum_by_group(of_system, groups) for of_system in statistics], axis=1),
            "samples": np.concatenate(list(statistics), axis=1),
        }
        resampled = {
            unit: corpus(bootstrap_sums(sums, N_RESAMPLES, generator)[:, : statistics.shape[-1]])
            for unit, sums in rows.items()
        }
        intervals = {
            "groups": (resampled["groups"], effective_groups(group_sizes(groups))),
            "percentiles": (resampled["groups"], VERY_MANY),
            "samples": (resampled["samples"], VERY_MANY),
        }
        for name, (values, n_effective) in intervals.items():
            low, high = expanded_interval(values, CONFIDENCE, n_effective)
            found[name] += low <= truth <= high
        for unit, sums in rows.items():
            found[f"p by {unit}"] += p_of_difference(sums, corpus, generator) < 1 - CONFIDENCE
    return {name: number / repeats for name, number in found.items()}


def p_of_difference(rows: np.ndarray, corpus: Corpus, generator: Generator) -> float:
    """p of the difference between two systems, whose statistics stand side by side."""
    total, swapped = rows.sum(axis=0), swapped_sums(rows, N_RESAMPLES, generator)
    rest = np.roll(total - swapped, rows.shape[1] // 2, axis=1)
    ours, theirs = np.split(swapped + rest, 2, axis=1)
    first, second = np.split(total, 2)
    difference = float(corpus(first) - corpus(second))
    return randomisation_p(difference, corpus(ours) - corpus(theirs), all_tried=tries_all(len(rows), N_RESAMPLES))


def measure_share(sizes: np.ndarray, share: float, repeats: int) -> dict[str, float]:
    """Shares of the repeats in which the interval of a share holds it: by groups, and by percentiles of samples."""
    generator = np.random.default_rng(2)
    spread = (1 - CORRELATION) / CORRELATION
    shares = generator.beta(share * spread, (1 - share) * spread, size=(repeats, len(sizes)))
    found = {"groups": 0, "percentiles of samples": 0}
    n = int(sizes.sum())
    for cases in generator.binomial(sizes, shares):
        low, high = share_interval(cases.astype(float), sizes.astype(float), CONFIDENCE)
        found["groups"] += low <= share <= high
        low, high = np.quantile(generator.binomial(n, cases.sum() / n, size=N_RESAMPLES) / n, [0.025, 0.975])
        found["percentiles of samples"] += low <= share <= high
    return {name: number / repeats for name, number in found.items()}


def main(*, repeats: int, output: Path | None) -> None:
    """Measure all cases and print them as rows of tables."""
    results = {}
    for kind, sizes, measured in measure_all(repeats):
        results[f"{kind}, {sizes}"] = measured
        numbers = " | ".join(f"{100 * number:.1f}" for number in measured.values())
        print(f"| {kind} | {sizes} | {numbers} |", flush=True)
    if output:
        write_json(output, results)


def measure_all(repeats: int) -> Iterator[tuple[str, str, dict[str, float]]]:
    """The kind of scores, the sizes of the groups and what was measured, of each case."""
    for kind in KINDS:
        for name, sizes in SIZES.items():
            yield kind, name, measure(kind, sizes, repeats)
    for share in SHARES:
        for name, sizes in SIZES.items():
            yield f"share {share:.0%}", name, measure_share(sizes, share, repeats)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
