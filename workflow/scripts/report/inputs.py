"""All that the report is made from, read from an experiment's files and joined by sample.

What can't be joined honestly (captions or scores of other samples) is an InputError. Whether the numbers
of the stages add up is checked in report/findings.py and shown in the report.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from core.command import InputError
from core.records import (
    Caption,
    Image,
    Sample,
    check_ids,
    open_text,
    read_captions,
    read_images,
    read_json,
    read_json_lines,
    read_samples,
)
from report.comparison import Comparison, read_comparison
from report.endpoints import EndpointUse, read_endpoints
from report.gpu_use import GpuUse, read_gpu_use
from report.judges import JudgeUse, read_judges
from report.mismatch import Mismatch, read_mismatch
from report.votes import VoteResults, read_votes
from scoring.health import read_health
from scoring.scores import read_named_scores
from training.caption_files import read_result


@dataclass(frozen=True)
class Absence:
    """A record that is not in the data: rejected by preprocessing, or left out before splitting."""

    source: str
    id: str
    reason: str
    position: str  # 0-based place in the source, "" where the list does not say


@dataclass(frozen=True)
class LabelLeakage:
    """A sample whose text still holds words of its references, and these words."""

    source: str
    id: str
    words: str


@dataclass(frozen=True)
class Training:
    """One training: the facts of training.json and the records of its other files, as they are."""

    model: str
    facts: dict[str, Any]
    history: list[dict[str, Any]]
    captions: list[dict[str, Any]]  # of its evaluations (training/caption_files.py); empty where none were written


@dataclass(frozen=True)
class Health:
    """What is wrong with the captions of a system: the summary as it is, and the flags in the samples' order."""

    summary: dict[str, Any]
    flags: list[list[str]]


@dataclass(frozen=True)
class Benchmark:
    """What a job took, by Snakemake's measure. None where it could not measure."""

    job: str  # rule/name
    seconds: float
    max_rss_mb: float | None
    cpu_seconds: float | None

    @property
    def rule(self) -> str:
        """The rule that the job is of."""
        return self.job.split("/")[0]


@dataclass(frozen=True)
class Figure:
    """A chart, to be shown as an image."""

    name: str
    svg: bytes


@dataclass(frozen=True)
class ReportInputs:
    """Everything in the report. Captions and scores stand in the samples' order."""

    comparison: Comparison
    samples: list[Sample]
    images: list[Image]
    leaked: set[int]  # places of samples whose group, or whose very drawing, is in the train split
    captions: dict[str, list[Caption]]  # by run: a system, or one of its trainings
    scores: dict[str, dict[str, np.ndarray]]  # by system and value; nan where there is none
    health: dict[str, Health]  # by run
    split_counts: dict[str, dict[str, int]]  # data/counts.json, by source
    duplicates: dict[str, Any]  # the same file: near_pairs, caption_duplicates, kept_together, common_captions
    leakage: dict[str, Any]  # the same file: setting, groups, groups_with_test, groups_by_caption, moved
    statistics: dict[str, Any]  # data/statistics.json
    preprocess_counts: dict[str, dict[str, Any]]  # by source
    rejected: list[Absence]
    label_leakage: list[LabelLeakage]
    left_out: list[Absence]
    trainings: list[Training]
    clip_training: dict[str, Any] | None
    figures: list[Figure]
    rule_edges: list[tuple[str, str]]  # (needed, needing); empty where no run saved them
    provenance: dict[str, Any]
    benchmarks: list[Benchmark]
    gpu_use: list[GpuUse]
    credits: list[dict[str, str]]
    votes: VoteResults | None
    endpoints: list[EndpointUse]
    judges: list[JudgeUse]
    mismatch: Mismatch | None  # captions that may belong to other drawings; None where CLIP scores nothing


def read_inputs(
    *,
    comparison: Path,
    train: Path,
    samples: Path,
    images: Path,
    captions_dir: Path,
    scores_dir: Path,
    health_dir: Path,
    counts: Path,
    statistics: Path,
    left_out: Path,
    preprocess_counts: list[Path],
    rejected: list[Path],
    label_leakage: list[Path],
    training: Sequence[Path] = (),
    history: Sequence[Path] = (),
    clip_training: Path | None = None,
    figures: Sequence[Path] = (),
    rule_graph: Path | None = None,
    provenance: Path | None = None,
    benchmarks_dir: Path | None = None,
    logs_dir: Path | None = None,
    credits: str = "[]",
    votes: Path | None = None,
    mismatch: Path | None = None,
    endpoints: Sequence[Path] = (),
    judges: Sequence[Path] = (),
    judges_kin: str = "{}",
) -> ReportInputs:
    """Read all files. Raises InputError for one that is missing, foreign, or of other samples."""
    table = read_comparison(comparison)
    sample_records = read_samples(samples)
    ids = [sample.id for sample in sample_records]
    image_records = read_images(images)
    check_ids(images, [image.id for image in image_records], ids)
    if table.n_samples != len(ids):
        raise InputError(f"{comparison} compares {table.n_samples} samples, {samples} has {len(ids)}; compare again")
    captions = {}
    runs = [run for system in table.systems for run in system.runs.values()]
    for run in runs:
        path = captions_dir / f"{run}.jsonl"
        captions[run] = read_captions(path)
        check_ids(path, [caption.id for caption in captions[run]], ids)
    if len(training) != len(history):
        raise InputError(f"{len(training)} files after --training, {len(history)} after --history; give them in pairs")
    if len(label_leakage) != len(preprocess_counts):
        raise InputError(
            f"{len(label_leakage)} files after --label-leakage for {len(preprocess_counts)} sources; give one a source"
        )
    read_counts = [read_json(path) for path in preprocess_counts]
    split_counts = read_split_counts(counts)
    return ReportInputs(
        comparison=table,
        samples=sample_records,
        images=image_records,
        leaked=find_leaked(train, sample_records),
        captions=captions,
        scores={system.name: read_values(scores_dir, system.name, table, ids) for system in table.systems},
        health={run: read_health_of(health_dir, run, ids) for run in runs},
        split_counts=split_counts["sources"],
        duplicates=split_counts["duplicates"],
        leakage=split_counts["leakage"],
        statistics=read_json(statistics),
        preprocess_counts={entry["source"]: entry for entry in read_counts},
        rejected=[absence for path in rejected for absence in read_absences(path)],
        label_leakage=[
            leak
            for path, entry in zip(label_leakage, read_counts, strict=True)
            for leak in read_label_leakage(path, entry["source"])
        ],
        left_out=read_absences(left_out),
        trainings=[
            Training(
                facts_path.parent.name,
                read_json(facts_path),
                read_json_lines(history_path),
                read_result(facts_path.parent),
            )
            for facts_path, history_path in zip(training, history, strict=True)
        ],
        clip_training=read_json(clip_training) if clip_training else None,
        figures=[read_figure(path) for path in figures],
        rule_edges=read_rule_graph(rule_graph) if rule_graph else [],
        provenance=read_json(provenance) if provenance else {},
        benchmarks=read_benchmarks(benchmarks_dir) if benchmarks_dir else [],
        gpu_use=read_gpu_use(logs_dir) if logs_dir else [],
        credits=parse_credits(credits),
        votes=read_votes(votes, table) if votes else None,
        endpoints=(hosted := read_endpoints(list(endpoints), table)),
        judges=read_judges(judges, json.loads(judges_kin), table, hosted),
        mismatch=read_mismatch(mismatch, image_records) if mismatch else None,
    )


def find_leaked(train: Path, samples: list[Sample]) -> set[int]:
    """Places of the samples whose group, or whose very drawing, is in the train split.

    A group (split_samples.py) unites what shares a drawing, a near-duplicate, a caption or a group of one source.
    Splitting sees to it that there are none, unless the splits were given with the data.
    """
    if not train.is_file():
        raise InputError(f"{train} does not exist")
    table = pq.ParquetFile(train).read(columns=["xml", "group"])
    drawings, groups = set(table["xml"].to_pylist()), set(table["group"].to_pylist())
    return {place for place, sample in enumerate(samples) if sample.xml in drawings or sample.group in groups}


def read_values(scores_dir: Path, system: str, comparison: Comparison, ids: list[str]) -> dict[str, np.ndarray]:
    """Per-sample scores of a system by value, nan where a value does not apply."""
    columns: dict[str, np.ndarray] = {}
    for metric in dict.fromkeys(value.metric for value in comparison.values):
        names = [value.name for value in comparison.values if value.metric == metric]
        scores = read_named_scores(scores_dir, system, metric, names)
        check_ids(scores_dir / system / f"{metric}.parquet", scores.ids, ids)
        columns |= scores.columns
    return {value.name: columns[value.name] for value in comparison.values}


def read_health_of(folder: Path, system: str, ids: list[str]) -> Health:
    """The health of a system's captions."""
    summary, flags = read_health(folder, system)
    check_ids(folder / f"{system}.parquet", list(flags), ids)
    return Health(summary, list(flags.values()))


def read_absences(path: Path) -> list[Absence]:
    """Read a list of rejected or left out records. Raises InputError for another kind of table."""
    with open_text(path) as file:
        try:
            return [
                Absence(row["source"], row["id"], row["reason"], row.get("position") or "")
                for row in csv.DictReader(file)
            ]
        except KeyError as error:
            raise InputError(f"{path} is not a list of rejected records: it lacks {error}; remake it") from error


def read_split_counts(path: Path) -> dict[str, Any]:
    """Read data/counts.json. Raises InputError for one that lacks a part."""
    counts = read_json(path)
    missing = [name for name in ("sources", "duplicates", "leakage") if name not in counts]
    if missing:
        raise InputError(f"{path} was not written by this version: it lacks {', '.join(missing)}; split again")
    return counts


def read_label_leakage(path: Path, source: str) -> list[LabelLeakage]:
    """Read the list of a source's samples whose text still holds words of their references."""
    with open_text(path) as file:
        try:
            return [LabelLeakage(source, row["id"], row["words"]) for row in csv.DictReader(file)]
        except KeyError as error:
            raise InputError(f"{path} is not a list of label leakage: it lacks {error}; remake it") from error


def read_figure(path: Path) -> Figure:
    """Read an SVG file as bytes: it is shown as an image and never parsed."""
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    return Figure(path.stem, path.read_bytes())


def read_rule_graph(path: Path) -> list[tuple[str, str]]:
    """Which rule needs which, as the run saved it; none where the script is run by itself without a workflow."""
    return [(needed, needing) for needed, needing in read_json(path)] if path.is_file() else []


def read_benchmarks(folder: Path) -> list[Benchmark]:
    """Read Snakemake's benchmark files below `folder`, in the order of their names.

    A file with several rows (repeated jobs) gives the sums of the times and the highest memory.
    """
    benchmarks = []
    for path in sorted(folder.rglob("*.tsv")):
        with open_text(path) as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        memory = [number for row in rows if (number := _number(row.get("max_rss"))) is not None]
        cpu = [number for row in rows if (number := _number(row.get("cpu_time"))) is not None]
        benchmarks.append(
            Benchmark(
                job=str(path.relative_to(folder).with_suffix("")),
                seconds=sum(_number(row.get("s")) or 0.0 for row in rows),
                max_rss_mb=max(memory, default=None),
                cpu_seconds=sum(cpu) if cpu else None,
            )
        )
    return benchmarks


def parse_credits(text: str) -> list[dict[str, str]]:
    """Credits from JSON: objects of name, licence, url, note; the last two may be absent."""
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"--credits is not JSON ({error})") from error
    for entry in entries:
        if not isinstance(entry, dict) or not {"name", "licence"} <= set(entry):
            raise InputError(f"--credits: {entry} needs a name and a licence")
    return [{"url": "", "note": "", **entry} for entry in entries]


def _number(text: str | None) -> float | None:
    """A number of a benchmark file; Snakemake writes - or NA for what it could not measure."""
    return None if text in (None, "", "-", "NA") else float(text)
