"""comparison.csv: the cells of a comparison as a table, and the scores of references and papers."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from comparison.data_use import find_shared, use_codes
from comparison.slices import SEVERAL_REFERENCES
from core.command import write_whole

CELL_FIELDS = ["system", "value", "slice", "score", "low", "high", "n", "n_groups", "n_failed", "n_truncated"]
CELL_FIELDS += ["sample_mean", "n_trainings", "seed_sd", "by_training"]
SYSTEM_FIELDS = ["system", "label", "family", "base", "trained", "input"]
# The family name of the leave-one-out human scores in comparison.csv.
HUMAN = {"system": "human", "label": "Leave-one-out human score", "family": "human", "slice": SEVERAL_REFERENCES}
# Numbers of papers are in no ranking: neither best nor tie.
PUBLISHED = {"system": "published", "family": "published"}


def write_cells(path: Path, comparison: Mapping[str, Any]) -> None:
    """Write the cells as CSV, each with its system's label, family, base and use of the data, flags, its value's
    signature, and whether it is the best, ties with it, or uses the metric's own model; then the leave-one-out human
    scores, and published ones.
    """
    systems = {
        s["name"]: {name: as_cell(text) for name, text in s.items()} | use_codes(s["trained"], s["input"])
        for s in comparison["systems"]
    }
    signatures = {value["name"]: value["signature"] for value in comparison["values"]}
    flags = {(record["system"], record["slice"]): record["flags"] for record in comparison["health"]}
    flag_names = list(next(iter(flags.values()), {}))
    fields = [*SYSTEM_FIELDS, *CELL_FIELDS[1:], "best", *flag_names, "signature"]
    shared = find_shared({system["name"]: system for system in comparison["systems"]})
    marks = {
        (system, value["name"], part["name"]): "metric's own model"
        for system, metric in shared
        for value in comparison["values"]
        for part in comparison["slices"]
        if value["metric"] == metric
    }
    marks |= {
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
            row = {**systems[cell["system"]], **cell, **counted, **describe_trainings(cell), "best": mark}
            writer.writerow({**row, "signature": signatures[cell["value"]]})
        for record in comparison["human"]:
            writer.writerow({**HUMAN, **record, "signature": signatures[record["value"]]})
        for row in comparison["published"]:
            for value, score in row["scores"].items():
                cell = {"label": as_cell(row["label"]), "slice": row["slice"], "value": value, "score": score}
                writer.writerow({**PUBLISHED, **cell, "signature": signatures[value]})


def describe_trainings(cell: Mapping[str, Any]) -> dict[str, Any]:
    """How many trainings of a model a score is the mean of, if several, and their scores, separated by spaces."""
    scores = ["" if score is None else f"{score:.6g}" for score in cell["by_training"]]
    return {"n_trainings": len(scores) or "", "by_training": " ".join(scores)}


def as_cell(text: Any) -> Any:
    """A text that no spreadsheet takes for a formula: a quote mark comes before one that begins like one."""
    return f"'{text}" if isinstance(text, str) and text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
