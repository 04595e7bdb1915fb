"""Samples of a dataset file, made in workers that can be killed, with what was rejected, left out and flagged.

In: a file or folder of drawings with captions. Out: the files of `Outputs`.
"""

from __future__ import annotations

import csv
import dataclasses
import itertools
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.command import InputError, Progress, log, write_whole
from core.records import Rejection, open_rows, sample_schema, write_json, write_rejections
from readers.entries import RawRecord, iterate_unique, open_entries, read_records
from rendering.worker_pool import Limits, map_killable
from samples import fingerprints
from samples.making import MEMORY_LIMIT_MB, SECONDS_LIMIT, Made

DRAWING = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9v9z"/></svg>'
WARM_UP = RawRecord(0, "", DRAWING, ["a b c d e"], "", "")

# What to do where no record becomes a sample, by how the reason of the first one begins.
FIXES = {
    "no caption": (
        "give each record a text in the field `caption` (or name yours under fields.captions), and each SVG file a "
        ".txt file of its name, a row in a table with the columns filename and caption, or a <title>"
    ),
    "no drawing": "name the field that holds the SVG text under fields.drawing",
    "not XML": "the field of drawings (fields.drawing) must hold SVG text, not the name of a file",
}


@dataclass(frozen=True)
class Outputs:
    """The files of a preprocessed dataset."""

    samples: Path
    fingerprints: Path
    rejected: Path
    label_leakage: Path
    counts: Path

    def all(self) -> list[Path]:
        return [self.samples, self.fingerprints, self.rejected, self.label_leakage, self.counts]


@dataclass(frozen=True)
class Rows:
    """How the rows of a dataset are read: names of their fields, which take part, whether they have questions.

    `most` is how many are read from the beginning, None for all.
    """

    fields: dict[str, Any]
    where: dict[str, Any]
    questions: bool
    most: int | None = None


def process_records(
    records: Iterable[RawRecord], process: Callable[[RawRecord], Made | Rejection], source: str, workers: int
) -> Iterator[Made | Rejection]:
    """Samples and rejections in the order of the records, made by `workers` processes that can be killed."""
    waiting: deque[RawRecord] = deque()

    def remembered() -> Iterator[RawRecord]:
        for record in records:
            waiting.append(record)
            yield record

    limits = Limits(workers, SECONDS_LIMIT, MEMORY_LIMIT_MB)
    for outcome in map_killable(process, remembered(), limits, WARM_UP):
        record = waiting.popleft()
        yield outcome.value or Rejection(source, record.id, record.position, outcome.reason)


def preprocess_dataset(
    input: Path,
    source: str,
    rows: Rows,
    process: Callable[[RawRecord], Made | Rejection],
    workers: int,
    outputs: Outputs,
    is_shard: bool = False,
) -> None:
    """Write samples, rejections and counts of a dataset. Raises InputError where nothing is left, but of a shard."""
    filtered: Counter[str] = Counter()
    records = take_part(read_rows(input, rows), filtered)
    flags: Counter[str] = Counter()
    rejections: list[Rejection] = []
    leaks: list[tuple[str, str]] = []
    kept = 0
    with (
        open_rows(outputs.samples, sample_schema(rows.questions)) as write_sample,
        open_rows(outputs.fingerprints, fingerprints.SCHEMA) as write_fingerprint,
        Progress(f"preprocess_svg {source}", None, "drawing") as progress,
    ):
        for result in process_records(records, process, source, workers):
            progress.advance()
            if isinstance(result, Rejection):
                rejections.append(result)
                continue
            kept += 1
            write_sample(dataclasses.asdict(result.sample))
            flags.update(result.sample.flags)
            if result.fingerprint:
                write_fingerprint(fingerprints.fingerprint_row(result.sample.id, result.fingerprint))
            if result.leaked_words:
                leaks.append((result.sample.id, " ".join(result.leaked_words)))
        if not kept and not is_shard:
            left_out = f" ({describe_filtered(filtered)})" if filtered else ""
            raise InputError(
                f"{input}: none of {len(rejections)} records became a sample{left_out}: {reasons_of(rejections)}"
                f"{fix_of(rejections)}"
            )
    write_rejections(outputs.rejected, rejections)
    write_label_leakage(outputs.label_leakage, leaks)
    total = kept + len(rejections) + filtered.total()
    counts = {
        "source": source,
        "in": total,
        "rejected": len(rejections),
        "kept": kept,
        "filtered": dict(sorted(filtered.items())),
        "flags": dict(flags.most_common()),
    }
    write_json(outputs.counts, counts)
    counted = f"{kept} kept, {len(rejections)} rejected {reasons_of(rejections)}"
    left_out = f"{describe_filtered(filtered)}, " if filtered else ""
    log("preprocess_svg", f"{source}: {total} in, {left_out}{counted}")


def read_rows(input: Path, rows: Rows) -> Iterator[RawRecord]:
    """The records of a dataset file or shard, those that take no part included."""
    name = str(input)
    entries = itertools.islice(open_entries(input), rows.most)
    return iterate_unique(read_records(entries, rows.fields, name, rows.where), name)


def take_part(records: Iterable[RawRecord], filtered: Counter[str]) -> Iterator[RawRecord]:
    """The records that take part; the others are counted by the field that leaves them out."""
    for record in records:
        if record.left_out:
            filtered[record.left_out] += 1
        else:
            yield record


def describe_filtered(filtered: Counter[str]) -> str:
    """How many rows which field of `where` leaves out."""
    return f"{filtered.total()} left out by where ({', '.join(f'{name} {n}' for name, n in filtered.most_common())})"


def reasons_of(rejections: list[Rejection]) -> str:
    """The most frequent reasons with their numbers, whatever lines of a file they are of."""
    reasons = Counter(re.sub(r"^(?:line|row) \d+: ", "", rejection.reason) for rejection in rejections).most_common(3)
    return "; ".join(f"{number} x {reason}" for reason, number in reasons)


def fix_of(rejections: list[Rejection]) -> str:
    """The first rejected record, and what to do where its reason is that of most newcomers; empty without any."""
    if not rejections:
        return ""
    first = rejections[0]
    fix = next((f"; {fix}" for start, fix in FIXES.items() if first.reason.startswith(start)), "")
    return f" (the first is {first.id!r}){fix}"


def write_label_leakage(path: Path, leaks: list[tuple[str, str]]) -> None:
    """List the samples whose text still holds words of a reference as CSV: id, words."""
    with write_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "words"), *leaks])
