"""Models that are trained with several seeds: their trainings, their row, and what its intervals and tests promise."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from metric_fixtures import make_sample
from scored_experiment import find_cell, run, write_health, write_values
from test_plan import plan_of
from workflow_runs import ROOT

from comparison.trainings import LEAST_P, Spread, half_width, p_value, sample_variance, spread_of, variance_of_trainings
from core.records import write_samples
from plan.configuration import stage_seed
from plan.faults import find_faults
from plan.schema import load_schema

sys.path.insert(0, str(ROOT / "benchmarks"))
from training_seeds import Case, measure_case

MODEL = "llama-3.1-8b-test3"


def trainings(seeds):
    plan = plan_of(lambda config: config["models"][MODEL].update(seeds=seeds))
    return plan, {name: one for name, one in plan.trainings.items() if name.startswith(MODEL)}


def test_three_seeds_are_three_jobs_and_one_row():
    plan, made = trainings(3)
    assert list(made) == [MODEL, f"{MODEL}-seed2", f"{MODEL}-seed3"]
    assert len({one.seed for one in made.values()}) == len({one.folder for one in made.values()}) == 3
    assert made[MODEL].seed == stage_seed(plan.config["seed"], "train_lora"), "one seed trains what it always trained"
    assert [name for name in plan.rows if name.startswith(MODEL)] == [MODEL]
    assert plan.describe_rows()[MODEL]["trainings"] == {"1": MODEL, "2": f"{MODEL}-seed2", "3": f"{MODEL}-seed3"}
    assert plan.llm_job_of(f"{MODEL}-seed2").adapters == (f"{made[f'{MODEL}-seed2'].folder}/adapter_model.safetensors",)
    assert plan.figures() == plan_of().figures()


def test_trainings_stay_what_they_are_when_there_are_more():
    _, three = trainings(3)
    _, five = trainings(5)
    assert {name: five[name] for name in three} == three
    assert trainings([3, 1, 2])[1] == three
    assert list(trainings([2, 7])[1]) == [MODEL, f"{MODEL}-seed7"]


def test_the_name_of_a_training_is_no_name_of_another_system():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    model = config["models"][MODEL]
    model["seeds"] = 2
    config["models"][f"{MODEL}-seed2"] = {**model, "seeds": 1}
    message = rf"a system named '{MODEL}-seed2' exists already"
    assert [fault for fault in find_faults(config, load_schema()) if message in fault]


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        (0, "0 is less than the minimum of 1"),
        ([2, 2], "[2, 2] has non-unique elements"),
        ([], "[] should be non-empty"),
        ("three", "'three' is not of type 'integer', 'array'"),
    ],
)
def test_seeds_that_are_none_are_one_line(seeds, message):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["models"][MODEL]["seeds"] = seeds
    (found,) = find_faults(config, load_schema())
    assert found.startswith(f"models.{MODEL}.seeds: {message}")


SEEDED = {"1": "good", "2": "good-seed2", "3": "good-seed3"}
TWO_ROWS = {
    "good": {"label": "Good", "family": "lora", "base": "b", "trained": True, "input": "code", "trainings": SEEDED},
    "weak": {"label": "Weak", "family": "captioner", "base": "w", "trained": False, "input": "image"},
}


@pytest.fixture(scope="module")
def values():
    generator = np.random.default_rng(3)
    easy = generator.uniform(0.3, 0.6, 40)
    found = {name: easy + generator.uniform(0, 0.1, 40) + 0.1 * k for k, name in enumerate(SEEDED.values())}
    return {**found, "weak": easy - generator.uniform(0, 0.02, 40)}


@pytest.fixture(scope="module")
def compared(tmp_path_factory, values) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("seeds")
    write_samples(folder / "test.parquet", [make_sample(number, ["x"]) for number in range(40)])
    for name, column in reversed(values.items()):  # the files of health that are written are those of `good`
        write_values(folder, name, column.tolist())
        write_health(folder, {"empty": [0] if name == "good-seed2" else []}, ["empty"] * (name == "good-seed2"), 40)
        for ending in ("json", "parquet"):
            (folder / f"health/good.{ending}").rename(folder / f"health/{name}.{ending}")
    return folder, run(folder, systems=TWO_ROWS, metrics=["rouge_l"], slices=[], health_dir=folder / "health")


def test_a_row_has_the_mean_over_its_seeds_and_their_spread(compared, values):
    folder, comparison = compared
    means = [values[name].mean() for name in SEEDED.values()]
    cell = find_cell(comparison, "good", "rouge_l")
    assert cell["by_training"] == pytest.approx(means)
    assert (cell["score"], cell["seed_sd"]) == pytest.approx((np.mean(means), np.std(means, ddof=1)))
    assert len(comparison["cells"]) == 2
    with open(folder / "comparison.csv", encoding="utf-8", newline="") as file:
        rows = {row["system"]: (row["n_trainings"], row["by_training"]) for row in csv.DictReader(file)}
    assert rows == {"good": ("3", " ".join(f"{mean:.6g}" for mean in means)), "weak": ("", "")}
    text = " ".join((folder / "comparison.txt").read_text().split())
    assert "trained, code, 3 seeds" in text
    assert f"s.d. {cell['seed_sd']:.3f}"[6:] in text
    assert "covers the choice of test drawings, and of training seeds where a model has several" in text


def test_the_interval_of_a_row_covers_the_seeds(compared, tmp_path, values):
    _, comparison = compared
    cell = find_cell(comparison, "good", "rouge_l")
    mean = np.mean([values[name] for name in SEEDED.values()], axis=0)
    of_samples = 2 * 2.02 * mean.std(ddof=1) / math.sqrt(40)
    assert cell["high"] - cell["low"] > 2 * of_samples
    (pair,) = comparison["pairs"]
    assert pair["difference"] == pytest.approx(mean.mean() - values["weak"].mean())
    assert pair["low"] < pair["difference"] < pair["high"]
    assert (pair["low"] > 0) == (pair["p"] < 0.05)
    one = {**TWO_ROWS, "good": {**TWO_ROWS["good"], "trainings": {"1": "good"}}}
    folder, _ = compared
    files = {"output": tmp_path / "c.json", "table": tmp_path / "c.csv", "text": tmp_path / "c.txt"}
    run(folder, systems=one, metrics=["rouge_l"], slices=[], **files)
    text = " ".join(files["text"].read_text().split())
    assert "of test drawings; one training seed: variation between trainings not measured" in text


def test_a_flag_of_any_training_alarms(compared):
    (good, _) = compared[1]["health"]
    assert (good["n"], good["flags"], good["alarms"]) == (120, {"empty": 1}, ["empty"])


def test_the_variance_is_that_of_the_crossed_design():
    """For means it is (MS trainings + MS samples - MS interaction) / (trainings x samples), as analysis of variance."""
    generator = np.random.default_rng(5)
    scores = generator.normal(size=(4, 30)) + generator.normal(size=30) + 2 * generator.normal(size=(4, 1))
    rows, columns = scores.mean(axis=1, keepdims=True), scores.mean(axis=0, keepdims=True)
    of_rows = 30 * rows.var(ddof=1)
    of_columns = 4 * columns.var(ddof=1)
    rest = ((scores - rows - columns + scores.mean()) ** 2).sum() / (3 * 29)
    drawn = generator.multinomial(30, np.full(30, 1 / 30), size=40_000)
    resampled = scores @ drawn.T / 30
    spread = spread_of(scores.mean(axis=1), resampled, 30)
    assert spread.between == pytest.approx(of_rows / 120)
    assert spread.chance == pytest.approx(rest / 120, rel=0.03)
    assert sample_variance(resampled.mean(axis=0), 30) == pytest.approx(of_columns / 120, rel=0.03)
    whole = sample_variance(resampled.mean(axis=0), 30) + variance_of_trainings([spread])
    assert whole == pytest.approx((of_rows + of_columns - rest) / 120, rel=0.01)


def test_the_p_value_is_the_level_of_the_interval_that_ends_at_zero():
    spreads = [Spread(0.02, 0.005, 2), Spread(0.01, 0.002, 4)]
    for level in (0.3, 0.05, 1e-4):
        assert p_value(-half_width(level, 0.01, 40, spreads), 0.01, 40, spreads) == pytest.approx(level, rel=1e-4)
    assert p_value(0.0, 0.0, 40, [Spread()]) == 1
    assert p_value(0.5, 0.0, 40, [Spread()]) == LEAST_P
    alone = half_width(0.05, 0.01, 1e9, [Spread(), Spread(1e-9, 1.0, 2)])
    assert alone == pytest.approx(1.96 * 0.1, rel=1e-3), "trainings that differ by less than chance add nothing"


@pytest.mark.parametrize("seed_sd", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("n_seeds", [3, 5])
def test_intervals_hold_and_equal_recipes_seldom_differ(n_seeds, seed_sd):
    """The standard error of a share of 95% is 1.3% here; benchmarks/training_seeds.py measures more, more exactly."""
    shares = measure_case(Case(n_seeds, 60, seed_sd, 0.5), 300, np.random.default_rng(11))
    assert 0.92 < shares["score"] < 0.995
    assert 0.92 < shares["difference"] < 0.995
    assert shares["alarms"] < 0.08
    assert shares["power"] > (0.7 if seed_sd == 0 else 0.05)
