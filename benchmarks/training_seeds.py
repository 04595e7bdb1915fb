"""How often intervals over training seeds hold the true value, and equal recipes differ, on made-up experiments.

    python benchmarks/training_seeds.py --repeats 1000 --output training_seeds.json

Two recipes are trained with S seeds each. A sample's score is the sum of how easy it is (the same for all trainings),
of what a training finds easy, and of how good the training is, whose standard deviation is 0 to 3 times the standard
error of a score by its samples. Counted are: the intervals of a score, of the difference between two recipes, and of
that from a system that is never trained (a captioner), that hold the true value; how often equal recipes differ with
p < 0.05; and the power, how often recipes do that differ by three standard errors. docs/statistics.md has the results.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from comparison.cells import describe_interval
from comparison.pairs import judge_difference
from comparison.resampling import bootstrap_sums
from core.command import run_command
from core.records import write_json
from scoring.metrics import ValueInfo

CONFIDENCE, N_RESAMPLES = 0.95, 400
WIDE = ValueInfo("score", low=-50, high=50)
NO_SPREAD = 1e-12
DIFFERENCE = 3.0  # of the recipes by which power is measured, in standard errors of a score


@dataclass(frozen=True)
class Case:
    """A kind of experiment: seeds of each recipe, samples, the seeds' s.d. in standard errors of a score."""

    n_seeds: int
    n_samples: int
    seed_sd: float
    own: float  # share of a score's variance that is of the training and not of the sample


CASES = [
    Case(n_seeds, n_samples, seed_sd, own)
    for n_seeds in (3, 5, 2)
    for n_samples in (40, 150, 500)
    for seed_sd in (0.0, 0.5, 1.0, 2.0, 3.0)
    for own in (0.2, 0.8)
]


def draw_scores(case: Case, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of two equally good recipes, (n seeds, n samples), and of a system without training, (1, n samples)."""
    n, error = case.n_samples, 1 / math.sqrt(case.n_samples)
    easy = math.sqrt(1 - case.own) * generator.normal(size=n)

    def train(n_seeds: int, seed_sd: float) -> np.ndarray:
        how_good = seed_sd * error * generator.normal(size=(n_seeds, 1))
        return easy + math.sqrt(case.own) * generator.normal(size=(n_seeds, n)) + how_good

    return train(case.n_seeds, case.seed_sd), train(case.n_seeds, case.seed_sd), train(1, 0.0)


def measure_case(case: Case, n_repeats: int, generator: np.random.Generator) -> dict[str, float]:
    """Shares of the repeats: `score`, `difference` and `from_untrained` hold the truth, `alarms` and `power`."""
    names = ("score", "difference", "from_untrained", "alarms", "power")
    counted = dict.fromkeys(names, 0)
    lead = DIFFERENCE / math.sqrt(case.n_samples)
    for _ in range(n_repeats):
        systems = draw_scores(case, generator)
        scores = np.concatenate(systems)
        resampled = bootstrap_sums(scores.T, N_RESAMPLES, generator).T / case.n_samples
        sides, start = [], 0
        for system in systems:
            sides.append((system.mean(axis=1), resampled[start : start + len(system)]))
            start += len(system)
        first, second, untrained = sides
        samples = np.arange(case.n_samples)
        interval = describe_interval(WIDE, systems[0].mean(axis=0), samples, *first, CONFIDENCE)
        counted["score"] += interval["low"] <= 0 <= interval["high"]
        for name, other in (("difference", second), ("from_untrained", untrained)):
            low, high, p = judge([first, other], 0.0, case)
            counted[name] += low <= 0 <= high
            counted["alarms"] += name == "difference" and p < 1 - CONFIDENCE
        counted["power"] += judge([first, second], lead, case)[2] < 1 - CONFIDENCE
    return {name: counted[name] / n_repeats for name in names}


def judge(sides: list[tuple[np.ndarray, np.ndarray]], lead: float, case: Case) -> tuple[float, float, float]:
    """Interval and p-value of the difference between two systems, of which the first is better by `lead`."""
    (observed, resampled), other = sides
    difference = float(observed.mean() + lead - other[0].mean())
    shifted = [(observed + lead, resampled + lead), other]
    return judge_difference(difference, shifted, case.n_samples, CONFIDENCE, NO_SPREAD)


def main(*, repeats: int, output: Path | None = None) -> None:
    """Measure all cases, print a table of percent, and write the shares."""
    generator = np.random.default_rng(7)
    results = []
    print("| seeds | samples | s.d. of seeds | own variance | score | difference | from untrained | p < 0.05 | power |")
    print("|---|---|---|---|---|---|---|---|---|")
    for case in CASES:
        shares = measure_case(case, repeats, generator)
        cells = [case.n_seeds, case.n_samples, f"{case.seed_sd} s.e.", case.own]
        cells += [f"{100 * share:.1f}" for share in shares.values()]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
        results.append({**vars(case), **shares})
    if output:
        write_json(output, {"repeats": repeats, "cases": results})


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000, help="experiments a case")
    parser.add_argument("--output", type=Path, help="JSON file of the shares")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
