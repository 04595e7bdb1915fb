r"""Compare systems on the same samples: scores with intervals, differences with p-values, slices.

Input   samples, scores/<system>/<metric>.{json,parquet} of every system by every metric, and with --health-dir
        health/<system>.{json,parquet}, whose flags are counted beside the scores
Output  comparison.json (the format is in docs/design.md), comparison.csv (its cells as a table), and the
        table of systems by values for a person: printed, and with --text also written

    python compare.py --experiment demo --samples data/test.parquet \
        --systems '{"test3": {"label": "T", "family": "lora", "trained": true, "trainings": {"1": "a", "2": "b"}}}' \
        --metrics bleu meteor --scores-dir scores --slices source commands \
        --n-resamples 10000 --confidence 0.95 --seed 7 --output comparison.json --table comparison.csv

What is resampled are groups of samples that are not independent (near-duplicates, drawings of one caption), every
system on the same draws, and a metric of corpora as a corpus. Each pair of systems gets the interval of its difference
by the same draws and a p-value by paired approximate randomisation of groups, Holm-corrected over the pairs of a value.
A system ties with the best one where that p-value is not below 1 - confidence. Where too few groups are there for any
difference to be significant, no tie is told. docs/statistics.md has the methods and what they were measured to hold.
"""

from __future__ import annotations

import argparse
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from comparison.aggregates import Aggregate, make_aggregates, slice_values
from comparison.cell_table import write_cells
from comparison.cells import make_cells, score_humans
from comparison.competition import Competition, read_competition
from comparison.data_use import check_use, find_shared
from comparison.grouping import effective_groups, group_sizes, sum_by_group
from comparison.pairs import find_best, make_pairs
from comparison.published import list_published
from comparison.resampling import resamples_needed, swapped_sums, tries_all
from comparison.shares import share_interval
from comparison.slices import REFERENCES, SLICINGS, TOKENS, Slice, make_slices
from comparison.text import render_comparison
from comparison.version import VERSION
from core.command import InputError, log, run_command, write_whole
from core.records import Sample, check_ids, read_captions, read_samples, write_json
from scoring.health import read_health
from scoring.imported import load_imported
from scoring.metrics import MeanMetric, Metric, ValueInfo, load_metric
from scoring.scores import null_for_nan


def main(
    *,
    experiment: str,
    samples: Path,
    systems: dict[str, dict[str, Any]],
    metrics: list[str],
    scores_dir: Path,
    n_resamples: int,
    confidence: float,
    seed: int,
    output: Path,
    table: Path,
    imported: Sequence[str] = (),
    slices: Sequence[str] = ("source",),
    aggregates: Mapping[str, Mapping[str, float]] | None = None,
    published: Mapping[str, Mapping[str, Any]] | None = None,
    token_counts: Path | None = None,
    health_dir: Path | None = None,
    human_dir: Path | None = None,
    text: Path | None = None,
) -> None:
    """Read all scores, compare, write the comparison and print its table."""
    if not 0.5 < confidence < 1 or n_resamples < 1:
        raise InputError("--confidence must lie between 0.5 and 1, and --n-resamples be 1 or more")
    needed = resamples_needed(len(systems), confidence)
    if n_resamples < needed:
        raise InputError(
            f"--n-resamples: with {n_resamples} no difference between {len(systems)} systems could be significant "
            f"({math.comb(len(systems), 2)} pairs, corrected by Holm, confidence {confidence}); give {needed} or more"
        )
    sample_records = read_samples(samples)
    scorers = [load_metric(name) for name in metrics]
    scorers += [load_imported(scores_dir, name, next(iter(systems), "")) for name in imported]
    competition = read_competition(scores_dir, systems, scorers, sample_records)
    slicings = dict.fromkeys([*slices, *([REFERENCES] if human_dir else [])])
    parts = make_slices(sample_records, list(slicings), read_token_counts(token_counts, sample_records))
    parts += make_aggregates(sample_records, aggregates or {})
    comparison = compare_systems(
        competition, parts, find_shared(systems), n_resamples=n_resamples, confidence=confidence, seed=seed
    )
    comparison = {
        "version": VERSION,
        "experiment": experiment,
        "n_samples": len(sample_records),
        "n_groups": len(group_sizes(competition.groups)),
        "confidence": confidence,
        "n_resamples": n_resamples,
        "seed": seed,
        "systems": [describe_system(name, entry) for name, entry in systems.items()],
        **comparison,
        "published": list_published(published or {}, comparison["values"], parts, sample_records),
        "human": score_humans(
            human_dir,
            scorers,
            dict(zip((sample.id for sample in sample_records), competition.groups.tolist(), strict=True)),
            n_resamples,
            confidence,
            seed,
        )
        if human_dir
        else [],
        "health": [
            record
            for system in systems
            if health_dir
            for record in count_flags(health_dir, system, competition, sample_records, parts, confidence)
        ],
    }
    write_json(output, comparison)
    write_cells(table, comparison)
    shown = render_comparison(comparison)
    if text:
        with write_whole(text) as partial:
            partial.write_text(shown, encoding="utf-8")
    n_groups = comparison["n_groups"]
    log("compare", f"{len(systems)} systems compared on {len(sample_records)} samples in {n_groups} groups")
    print(f"\n{shown}", flush=True)


def describe_system(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """A system as comparison.json has it; what nobody said of it is null. `trainings` are its runs by their numbers."""
    return {
        "name": name,
        "label": entry.get("label") or name,
        "family": entry["family"],
        **{key: entry.get(key) for key in ("base", "trained", "input")},
        "trainings": entry.get("trainings"),
        "shares_model": entry.get("shares_model", []),
    }


def read_token_counts(path: Path | None, samples: Sequence[Sample]) -> list[int | None] | None:
    """How long each sample's prompt was, by the captions of an LLM; None without such a file."""
    if path is None:
        return None
    captions = read_captions(path)
    check_ids(path, [caption.id for caption in captions], [sample.id for sample in samples])
    return [caption.n_prompt_tokens for caption in captions]


def count_flags(
    health_dir: Path,
    system: str,
    competition: Competition,
    samples: Sequence[Sample],
    slices: Sequence[Slice],
    confidence: float,
) -> list[dict[str, Any]]:
    """How many captions of a system have each flag, on each slice of `n` captions, and the interval of each share.

    The captions are those of all its trainings. `alarms` are the flags above what is tolerated in any of them. Raises
    InputError where the flags are those of other samples.
    """
    runs = competition.runs[system]
    read = [read_health(health_dir, run) for run in runs]
    for run, (_, flags) in zip(runs, read, strict=True):
        if list(flags) != [sample.id for sample in samples]:
            raise InputError(f"{health_dir}/{run}.parquet is not of the samples of this comparison; make it again")
    names = [flag["name"] for flag in read[0][0]["flags"]]
    raised = {flag["name"] for summary, _ in read for flag in summary["flags"] if flag["alarm"]}
    alarms = [name for name in names if name in raised]
    flagged = {
        name: np.array([[name in found for found in flags.values()] for _, flags in read], dtype=float).sum(axis=0)
        for name in names
    }
    records = []
    for part in slices:
        own = competition.groups[part.members]
        sizes = group_sizes(own) * len(runs)
        intervals = {
            name: share_interval(sum_by_group(column[part.members], own), sizes, confidence)
            for name, column in flagged.items()
        }
        records.append(
            {
                "system": system,
                "slice": part.name,
                "n": len(part.members) * len(runs),
                "flags": {name: int(column[part.members].sum()) for name, column in flagged.items()},
                "intervals": {name: [null_for_nan(end) for end in ends] for name, ends in intervals.items()},
                "alarms": alarms if part is slices[0] else [],
            }
        )
    return records


def compare_systems(
    competition: Competition,
    slices: Sequence[Slice],
    shared: set[tuple[str, str]],
    *,
    n_resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """Values, slices, cells, pairs and best of a comparison; the first slice is that of all samples.

    A system that shares the model of a metric (`shared`, by system and metric) is neither its best one nor a tie.
    """
    cells: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    for part in slices:
        # Each slice has its own random numbers: what else is compared changes none of its intervals.
        generator = np.random.default_rng([seed, zlib.crc32(part.name.encode())])
        observed, resampled = slice_values(competition, part, n_resamples, generator)
        cells.extend(make_cells(competition, part, observed, resampled, confidence))
        if part is slices[0]:
            statistics = sum_by_group(competition.statistics[part.members], competition.groups[part.members])
            swapped = swapped_sums(statistics, n_resamples, generator)
            pairs = make_pairs(
                competition,
                statistics.sum(axis=0),
                swapped,
                observed,
                resampled,
                confidence=confidence,
                all_tried=tries_all(len(statistics), n_resamples),
            )
    return {
        "values": [
            describe_value(
                competition,
                metric,
                name,
                info,
                "interval:Wilson, by groups"
                if info.share
                else f"resampled:groups|n_resamples:{n_resamples}|seed:{seed}",
            )
            for metric, name, info in competition.values()
        ],
        "slices": [describe_slice(part, competition.groups) for part in slices],
        "cells": cells,
        "pairs": pairs,
        "best": {
            name: find_best(
                info,
                [
                    cell
                    for cell in cells
                    if (cell["value"], cell["slice"]) == (name, slices[0].name)
                    and (cell["system"], metric.name) not in shared
                ],
                [pair for pair in pairs if pair["value"] == name],
                n_resamples=n_resamples,
                confidence=confidence,
            )
            for metric, name, info in competition.values()
        },
    }


def describe_slice(part: Slice, groups: np.ndarray) -> dict[str, Any]:
    """Name, samples and groups of a slice; `effective_groups` are the groups of one size that are worth its own.

    `weights` are those of an aggregate's sources.
    """
    sizes = group_sizes(groups[part.members])
    return {
        "name": part.name,
        "n": len(part.members),
        "n_groups": len(sizes),
        "effective_groups": round(effective_groups(sizes), 2),
        "weights": part.weights if isinstance(part, Aggregate) else None,
    }


def describe_value(
    competition: Competition, metric: Metric, name: str, info: ValueInfo, resampling: str
) -> dict[str, Any]:
    """How the value is shown, and the signature of its metric with that of the intervals."""
    first = competition.scores_of(competition.systems[0], metric.name)[0]
    return {
        "name": name,
        "metric": metric.name,
        "label": info.label,
        "range": [info.low, info.high],
        "radar": info.radar,
        "higher_is_better": info.higher_is_better,
        "corpus": not isinstance(metric, MeanMetric),
        "share": info.share,
        "signature": f"{first.signature}|{resampling}",
        "note": info.note,
        "n_truncated_references": first.n_truncated_references,
    }


def parse_systems(text: str) -> dict[str, dict[str, Any]]:
    """The systems as JSON names them. Raises ValueError, for argparse, where it is anything else."""
    systems = json.loads(text)
    if not isinstance(systems, dict) or not all("family" in entry for entry in systems.values()):
        raise ValueError(f"not a map of systems: {text}")
    for entry in systems.values():
        check_use(entry.get("trained"), entry.get("input"))
    return systems


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", required=True, help="name of the experiment, for the record")
    parser.add_argument("--samples", type=Path, required=True, help="samples that all systems are scored on")
    parser.add_argument(
        "--systems",
        type=parse_systems,
        required=True,
        help="JSON: name → label, family, base, trained, input; trainings: their numbers → names of captions",
    )
    parser.add_argument("--metrics", nargs="+", required=True, help="names of files in metrics/")
    parser.add_argument("--imported", nargs="*", default=[], help="names of metrics that import_scores.py made")
    parser.add_argument("--scores-dir", type=Path, required=True, help="folder of <system>/<metric>.json and .parquet")
    parser.add_argument("--token-counts", type=Path, help="captions of an LLM, for the slices by tokens")
    parser.add_argument(
        "--human-dir", type=Path, help="folder of <metric>.json and .parquet of leave-one-out human scores"
    )
    parser.add_argument("--health-dir", type=Path, help="folder of <system>.json and .parquet of the captions' health")
    parser.add_argument("--slices", nargs="*", choices=[*SLICINGS, TOKENS], default=["source"], help="how to slice")
    parser.add_argument("--aggregates", type=json.loads, default={}, help="JSON: name → source → weight")
    parser.add_argument(
        "--published", type=json.loads, default={}, help="JSON: numbers of papers, see comparison/published.py"
    )
    parser.add_argument("--n-resamples", type=int, default=10_000, help="bootstrap resamples and swapping trials")
    parser.add_argument("--confidence", type=float, default=0.95, help="level of the intervals")
    parser.add_argument("--seed", type=int, required=True, help="seed of the resampling")
    parser.add_argument("--output", type=Path, required=True, help="comparison.json")
    parser.add_argument("--table", type=Path, required=True, help="comparison.csv")
    parser.add_argument("--text", type=Path, help="table for a person to write")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
