r"""Compare systems on the same samples: scores with intervals, differences with p-values, slices.

Input   samples, scores/<system>/<metric>.{json,parquet} of every system by every metric, and with --health-dir
        health/<system>.{json,parquet}, whose flags are counted beside the scores
Output  comparison.json (the format is in docs/design.md), comparison.csv (its cells as a table), and the
        table of systems by values for a person: printed, and with --text also written

    python compare.py --experiment demo --samples data/test.parquet \
        --systems '{"test3": {"label": "SmolLM2 test3", "family": "lora", "base": "smollm2"}}' \
        --metrics bleu meteor --scores-dir scores --slices source commands \
        --n-resamples 10000 --confidence 0.95 --seed 7 --output comparison.json --table comparison.csv

Every system is resampled on the same draws, and a metric of corpora as a corpus. Intervals are percentiles
of the bootstrap. Each pair of systems gets the interval of its difference by the same draws and a p-value
by paired approximate randomisation, Holm-corrected over the pairs of a value. A system ties with the best
one where that p-value is not below 1 - confidence.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from comparison.competition import Competition, read_competition
from comparison.resampling import bootstrap_p, bootstrap_sums, holm, percentile_interval, randomisation_p, swapped_sums
from comparison.slices import SLICINGS, TOKENS, Slice, make_slices
from comparison.text import render_comparison
from core.command import InputError, log, run_command, write_whole
from core.records import Sample, check_ids, read_captions, read_samples, write_json
from scoring.health import read_health
from scoring.metrics import Metric, ValueInfo, load_metric
from scoring.scores import null_for_nan, read_scores

CELL_FIELDS = ["system", "value", "slice", "score", "low", "high", "n", "n_failed", "n_truncated"]
# The family name of the leave-one-out human scores in comparison.csv.
HUMAN = {"system": "human", "label": "Leave-one-out human score", "family": "human", "slice": "two or more references"}


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
    slices: Sequence[str] = ("source",),
    token_counts: Path | None = None,
    health_dir: Path | None = None,
    human_dir: Path | None = None,
    text: Path | None = None,
) -> None:
    """Read all scores, compare, write the comparison and print its table."""
    if not 0.5 < confidence < 1 or n_resamples < 1:
        raise InputError("--confidence must lie between 0.5 and 1, and --n-resamples be 1 or more")
    sample_records = read_samples(samples)
    scorers = [load_metric(name) for name in metrics]
    competition = read_competition(scores_dir, systems, scorers, sample_records)
    parts = make_slices(sample_records, slices, read_token_counts(token_counts, sample_records))
    comparison = compare_systems(competition, parts, n_resamples=n_resamples, confidence=confidence, seed=seed)
    comparison = {
        "experiment": experiment,
        "n_samples": len(sample_records),
        "confidence": confidence,
        "n_resamples": n_resamples,
        "seed": seed,
        "systems": [
            {"name": name, "label": entry.get("label") or name, "family": entry["family"], "base": entry.get("base")}
            for name, entry in systems.items()
        ],
        **comparison,
        "human": score_humans(human_dir, scorers, n_resamples, confidence, seed) if human_dir else [],
        "health": [
            record
            for system in systems
            if health_dir
            for record in count_flags(health_dir, system, sample_records, parts)
        ],
    }
    write_json(output, comparison)
    write_cells(table, comparison)
    shown = render_comparison(comparison)
    if text:
        with write_whole(text) as partial:
            partial.write_text(shown, encoding="utf-8")
    log("compare", f"{len(systems)} systems compared on {len(sample_records)} samples")
    print(f"\n{shown}", flush=True)


def read_token_counts(path: Path | None, samples: Sequence[Sample]) -> list[int | None] | None:
    """How long each sample's prompt was, by the captions of an LLM; None without such a file."""
    if path is None:
        return None
    captions = read_captions(path)
    check_ids(path, [caption.id for caption in captions], [sample.id for sample in samples])
    return [caption.n_prompt_tokens for caption in captions]


def score_humans(
    human_dir: Path, metrics: Sequence[Metric], n_resamples: int, confidence: float, seed: int
) -> list[dict[str, Any]]:
    """Leave-one-out human scores: one record per value, from the scores of score_human.py.

    The list is empty if no sample has two references.

    Metrics without such scores (those of images) are passed over.
    """
    records = []
    for metric in metrics:
        if not (human_dir / f"{metric.name}.json").is_file():
            continue
        scores = read_scores(human_dir.parent, human_dir.name, metric)
        if not scores.ids:
            continue
        names, statistics = list(scores.statistics), np.column_stack(list(scores.statistics.values()))
        sums = bootstrap_sums(statistics, n_resamples, np.random.default_rng([seed, zlib.crc32(b"human")]))
        observed = metric.corpus(dict(zip(names, statistics.sum(axis=0), strict=True)))
        resampled = metric.corpus(dict(zip(names, sums.T, strict=True)))
        for value in metric.values:
            low, high = percentile_interval(resampled[value], confidence)
            applies = ~np.isnan(scores.columns[value])
            records.append(
                {
                    "value": value,
                    "score": null_for_nan(observed[value]),
                    "low": null_for_nan(low),
                    "high": null_for_nan(high),
                    "n": int(applies.sum()),
                }
            )
    return records


def count_flags(
    health_dir: Path, system: str, samples: Sequence[Sample], slices: Sequence[Slice]
) -> list[dict[str, Any]]:
    """How many captions of a system have each flag, on each slice; `alarms` are the flags above what is tolerated.

    Raises InputError where the flags are those of other samples.
    """
    summary, flags = read_health(health_dir, system)
    if list(flags) != [sample.id for sample in samples]:
        raise InputError(f"{health_dir}/{system}.parquet is not of the samples of this comparison; make it again")
    alarms = [flag["name"] for flag in summary["flags"] if flag["alarm"]]
    flags_of = list(flags.values())
    return [
        {
            "system": system,
            "slice": part.name,
            "flags": {
                flag["name"]: sum(flag["name"] in flags_of[member] for member in part.members)
                for flag in summary["flags"]
            },
            "alarms": alarms if part is slices[0] else [],
        }
        for part in slices
    ]


def compare_systems(
    competition: Competition, slices: Sequence[Slice], *, n_resamples: int, confidence: float, seed: int
) -> dict[str, Any]:
    """Values, slices, cells, pairs and best of a comparison; the first slice is that of all samples."""
    cells: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    for part in slices:
        # Each slice has its own random numbers: what else is compared changes none of its intervals.
        generator = np.random.default_rng([seed, zlib.crc32(part.name.encode())])
        statistics = competition.statistics[part.members]
        observed = competition.corpus_values(statistics.sum(axis=0))
        resampled = competition.corpus_values(bootstrap_sums(statistics, n_resamples, generator))
        cells.extend(make_cells(competition, part, observed, resampled, confidence))
        if part is slices[0]:
            swapped = swapped_sums(statistics, n_resamples, generator)
            pairs = make_pairs(competition, statistics.sum(axis=0), swapped, observed, resampled, confidence)
    return {
        "values": [
            describe_value(competition, metric, name, info, f"n_resamples:{n_resamples}|seed:{seed}")
            for metric, name, info in competition.values()
        ],
        "slices": [{"name": part.name, "n": len(part.members)} for part in slices],
        "cells": cells,
        "pairs": pairs,
        "best": {
            name: find_best(info, [cell for cell in cells if cell["value"] == name], pairs, slices[0], confidence)
            for _, name, info in competition.values()
        },
    }


def describe_value(
    competition: Competition, metric: Metric, name: str, info: ValueInfo, resampling: str
) -> dict[str, Any]:
    """How the value is shown, and the signature of its metric with that of the intervals."""
    return {
        "name": name,
        "metric": metric.name,
        "label": info.label,
        "range": [info.low, info.high],
        "radar": info.radar,
        "higher_is_better": info.higher_is_better,
        "signature": f"{competition.scores[competition.systems[0], metric.name].signature}|{resampling}",
        "note": info.note,
    }


def make_cells(
    competition: Competition,
    part: Slice,
    observed: Mapping[tuple[str, str], np.ndarray],
    resampled: Mapping[tuple[str, str], np.ndarray],
    confidence: float,
) -> list[dict[str, Any]]:
    """One record for each system and value: score, interval, and on how many samples they rest."""
    cells = []
    for system in competition.systems:
        for metric, value, _ in competition.values():
            scores = competition.scores[system, metric.name]
            applies = ~np.isnan(scores.columns[value][part.members])
            low, high = percentile_interval(resampled[system, value], confidence)
            cells.append(
                {
                    "system": system,
                    "value": value,
                    "slice": part.name,
                    "score": null_for_nan(observed[system, value]),
                    "low": null_for_nan(low),
                    "high": null_for_nan(high),
                    "n": int(applies.sum()),
                    "n_failed": int((applies & scores.failed[part.members]).sum()),
                    "n_truncated": int((applies & scores.truncated[part.members]).sum()),
                }
            )
    return cells


def make_pairs(
    competition: Competition,
    total: np.ndarray,
    swapped: np.ndarray,
    observed: Mapping[tuple[str, str], np.ndarray],
    resampled: Mapping[tuple[str, str], np.ndarray],
    confidence: float,
) -> list[dict[str, Any]]:
    """For each value and two systems a, b: a's lead over b, its interval, p-values, and p-value after Holm.

    `total` and `swapped` are sums of all statistics: over all samples, and over random halves.
    """
    trials: dict[tuple[str, str, str], np.ndarray] = {}
    rest = total - swapped
    for first, second in itertools.combinations(competition.systems, 2):
        for metric in competition.metrics:
            ours, theirs = (competition.sums_of(swapped, system, metric) for system in (first, second))
            our_rest, their_rest = (competition.sums_of(rest, system, metric) for system in (first, second))
            mixed = metric.corpus({name: ours[name] + their_rest[name] for name in ours})
            other_mixed = metric.corpus({name: theirs[name] + our_rest[name] for name in ours})
            trials.update({(name, first, second): mixed[name] - other_mixed[name] for name in metric.values})
    pairs = []
    for _, value, _ in competition.values():
        of_value: list[dict[str, Any]] = []
        for first, second in itertools.combinations(competition.systems, 2):
            difference = float(observed[first, value] - observed[second, value])
            if np.isnan(difference):
                continue
            differences = resampled[first, value] - resampled[second, value]
            low, high = percentile_interval(differences, confidence)
            of_value.append(
                {
                    "value": value,
                    "a": first,
                    "b": second,
                    "difference": difference,
                    "low": low,
                    "high": high,
                    "p_bootstrap": bootstrap_p(difference, differences),
                    "p": randomisation_p(difference, trials[value, first, second]),
                }
            )
        for pair, adjusted in zip(of_value, holm([pair["p"] for pair in of_value]), strict=True):
            pair["p_holm"] = adjusted
        pairs.extend(of_value)
    return pairs


def find_best(
    info: ValueInfo,
    cells: Sequence[Mapping[str, Any]],
    pairs: Sequence[Mapping[str, Any]],
    everything: Slice,
    confidence: float,
) -> dict[str, Any] | None:
    """The best system by one value on all samples, and those that it does not beat significantly.

    None where no system has a score.
    """
    scored = [cell for cell in cells if cell["slice"] == everything.name and cell["score"] is not None]
    if not scored:
        return None
    choose = max if info.higher_is_better else min
    best = choose(scored, key=lambda cell: cell["score"])
    p_values = {frozenset((pair["a"], pair["b"])): pair["p_holm"] for pair in pairs if pair["value"] == best["value"]}
    ties = [
        cell["system"]
        for cell in scored
        if cell is not best and p_values[frozenset((cell["system"], best["system"]))] >= 1 - confidence
    ]
    return {"system": best["system"], "ties": ties}


def write_cells(path: Path, comparison: Mapping[str, Any]) -> None:
    """Write the cells as CSV, each with its system's label, family, base, flags, its value's signature, and whether it
    is the best or ties with it; then the leave-one-out human scores.
    """
    systems = {system["name"]: system for system in comparison["systems"]}
    signatures = {value["name"]: value["signature"] for value in comparison["values"]}
    flags = {(record["system"], record["slice"]): record["flags"] for record in comparison["health"]}
    flag_names = list(next(iter(flags.values()), {}))
    fields = ["system", "label", "family", "base", *CELL_FIELDS[1:], "best", *flag_names, "signature"]
    marks = {
        (system, value, "all"): mark
        for value, best in comparison["best"].items()
        if best
        for mark, marked in (("best", [best["system"]]), ("tie", best["ties"]))
        for system in marked
    }
    with write_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fields, extrasaction="ignore")
        writer.writeheader()
        for cell in comparison["cells"]:
            counted = flags.get((cell["system"], cell["slice"]), {})
            mark = marks.get((cell["system"], cell["value"], cell["slice"]), "")
            row = {**systems[cell["system"]], **cell, **counted, "best": mark}
            writer.writerow({**row, "signature": signatures[cell["value"]]})
        for record in comparison["human"]:
            writer.writerow({**HUMAN, **record, "signature": signatures[record["value"]]})


def parse_systems(text: str) -> dict[str, dict[str, Any]]:
    """The systems as JSON names them. Raises ValueError, for argparse, where it is anything else."""
    systems = json.loads(text)
    if not isinstance(systems, dict) or not all("family" in entry for entry in systems.values()):
        raise ValueError(f"not a map of systems: {text}")
    return systems


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", required=True, help="name of the experiment, for the record")
    parser.add_argument("--samples", type=Path, required=True, help="samples that all systems are scored on")
    parser.add_argument("--systems", type=parse_systems, required=True, help="JSON: name → label, family, base")
    parser.add_argument("--metrics", nargs="+", required=True, help="names of files in metrics/")
    parser.add_argument("--scores-dir", type=Path, required=True, help="folder of <system>/<metric>.json and .parquet")
    parser.add_argument("--token-counts", type=Path, help="captions of an LLM, for the slices by tokens")
    parser.add_argument(
        "--human-dir", type=Path, help="folder of <metric>.json and .parquet of leave-one-out human scores"
    )
    parser.add_argument("--health-dir", type=Path, help="folder of <system>.json and .parquet of the captions' health")
    parser.add_argument("--slices", nargs="*", choices=[*SLICINGS, TOKENS], default=["source"], help="how to slice")
    parser.add_argument("--n-resamples", type=int, default=10_000, help="bootstrap resamples and swapping trials")
    parser.add_argument("--confidence", type=float, default=0.95, help="level of the intervals")
    parser.add_argument("--seed", type=int, required=True, help="seed of the resampling")
    parser.add_argument("--output", type=Path, required=True, help="comparison.json")
    parser.add_argument("--table", type=Path, required=True, help="comparison.csv")
    parser.add_argument("--text", type=Path, help="table for a person to write")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
