"""Samples that take no part: why, and those that a person lists.

A list is a CSV file with a column `id`. Where it has a column `flagged`, as mismatch.csv of a report has, only the rows
that say True count: so a copy of that file leaves out the samples whose captions seem to belong to other drawings.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from core.command import InputError, log, write_whole
from core.records import Sample, open_text

REASONS = ("listed", "too_long", "over_cap", "duplicates", "captions")
# id -> why the sample takes no part, one of REASONS
LeftOut = dict[str, str]


def read_list(path: Path) -> list[str]:
    """The ids of a list. Raises InputError for a file that is missing or has no column `id`."""
    with open_text(path) as file:
        rows = csv.DictReader(file)
        names = list(rows.fieldnames or [])
        if "id" not in names:
            raise InputError(
                f"{path}: a list of samples is CSV with a column id; this has {', '.join(names) or 'none'}"
            )
        return list(dict.fromkeys(row["id"] for row in rows if row.get("flagged", "True") == "True"))


def find_listed(paths: Iterable[Path], samples: list[Sample]) -> LeftOut:
    """The samples that lists name. Raises InputError for a list that names samples, and none of these."""
    ids = {sample.id for sample in samples}
    listed: LeftOut = {}
    for path in paths:
        named = read_list(path)
        found = [sample_id for sample_id in named if sample_id in ids]
        if named and not found:
            raise InputError(
                f"{path}: none of its {len(named)} ids is that of a sample, {named[0]!r} for one; is it a list of "
                "other data? Correct dataset.leave_out"
            )
        log("split_samples", f"{path}: {len(found)} of {len(named)} listed samples are there, and left out")
        listed |= dict.fromkeys(found, "listed")
    return listed


def write_left_out(path: Path, samples: list[Sample], left_out: LeftOut) -> None:
    """List what takes no part as CSV: id, source, reason."""
    with write_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "source", "reason"])
        writer.writerows([s.id, s.source, left_out[s.id]] for s in samples if s.id in left_out)
