"""Whether the counts of all stages add up: no record was lost or doubled between them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from core.records import SPLITS
from report.data import LABEL_LEAK_LEFT
from report.inputs import ReportInputs

LEFT_OUT = {  # reason → words
    "listed": "left out by a list",
    "too_long": "too long",
    "over_cap": "above the limit on samples",
    "duplicates": "duplicates",
    "captions": "without a usable caption",
}


@dataclass(frozen=True)
class Ledger:
    """Whether the counts of all stages add up: the sums that were checked, and those that are wrong."""

    checked: int
    faults: list[str]


def check_counts(inputs: ReportInputs) -> Ledger:
    """Check that no record was lost between the stages."""
    sums: list[tuple[str, int, int]] = []  # what, one side, the other side
    rejected = Counter(absence.source for absence in inputs.rejected)
    left_out = Counter(absence.source for absence in inputs.left_out)
    leaks = Counter(leak.source for leak in inputs.label_leakage)
    tested = Counter(sample.source for sample in inputs.samples)
    for source in inputs.preprocess_counts | inputs.split_counts:
        read, split = inputs.preprocess_counts.get(source), inputs.split_counts.get(source)
        if read is None or split is None:
            missing = "preprocessing" if read is None else "splitting"
            sums.append((f"{source}: files of counts of {missing}", 0, 1))
            continue
        left = sum(split.get(name, 0) for name in LEFT_OUT)
        sums += [
            (
                f"{source}: records in, against filtered + rejected + kept",
                read["in"],
                count_filtered(read) + read["rejected"] + read["kept"],
            ),
            (f"{source}: rejected, against the list of rejected records", read["rejected"], rejected[source]),
            (
                f"{source}: flagged {LABEL_LEAK_LEFT}, against the list",
                read["flags"].get(LABEL_LEAK_LEFT, 0),
                leaks[source],
            ),
            (f"{source}: kept by preprocessing, against what was split", read["kept"], split["kept"]),
            (
                f"{source}: kept, against left out + train + validation + test",
                split["kept"],
                left + sum(split[name] for name in SPLITS),
            ),
            (f"{source}: left out, against the list of what was left out", left, left_out[source]),
            (f"{source}: test samples counted, against those in the file", split["test"], tested[source]),
        ]
    comparison = inputs.comparison
    by_slicing: Counter[str] = Counter()
    for name, size in comparison.slices.items():
        # An aggregate is of some sources alone.
        by_slicing[name.split("=")[0]] += size.n if size.weights is None else 0
    for slicing, n in by_slicing.items():
        what = "samples compared" if slicing == "all" else f"samples in the slices by {slicing}"
        sums.append((f"{what}, against the test samples", n, len(inputs.samples)))
    for system in comparison.systems:
        failed = sum(caption.status == "failed" for run in system.runs.values() for caption in inputs.captions[run])
        complete = [
            cell
            for value in comparison.values
            if (cell := comparison.cells[system.name, value.name, "all"]).n == len(inputs.samples)
        ]
        sums += [
            (f"{system.label}: failed captions, against those scored by {cell.value}", failed, cell.n_failed)
            for cell in complete
        ]
    return Ledger(len(sums), [f"{what}: {left:,} ≠ {right:,}" for what, left, right in sums if left != right])


def count_filtered(counts: dict[str, Any]) -> int:
    """The rows of a source that `where` leaves out; counts of earlier versions have none."""
    return sum(counts.get("filtered", {}).values())
