"""What the report shows of questions that captions answer: rates by system and subject, and whether they measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from report.comparison import Cell
from scoring.question_rates import CEILING, FLOOR

LABELS = {FLOOR: "no caption (floor)", CEILING: "first reference (ceiling)"}


@dataclass(frozen=True)
class Rates:
    """The shares of right answers of a row: mean over drawings with its interval, over all questions, and by subject.

    Floor, ceiling and single trainings have no interval.
    """

    label: str
    score: float | None
    low: float | None
    high: float | None
    accuracy: float | None
    n_failed: int  # questions that were not answered; of systems none, since they are left out for all
    subjects: list[float | None]


@dataclass(frozen=True)
class QuestionTable:
    """The `questions` of judges/<metric>.json with labels of the rows: the floor, the systems, the ceiling."""

    facts: Mapping[str, Any]
    rows: list[Rates]

    @property
    def is_by_subject(self) -> bool:
        return list(self.facts["subjects"]) not in ([], [""])

    @property
    def weakness(self) -> str:
        """Why the questions do not tell what captions are worth; empty where they do."""
        gap = self.facts["gap"]
        if gap["low"] is not None and gap["low"] > 0:
            return ""
        floor, ceiling = (self.facts["rows"][name]["score"] for name in (FLOOR, CEILING))
        if floor is None or ceiling is None:
            return "floor or ceiling has no answers, so nothing shows whether the questions measure captions."
        end = "" if gap["low"] is None else f", lower end of the 95% interval {gap['low']:.2f}"
        return (
            f"the judge answers {ceiling:.2f} of the questions right from the reference, and {floor:.2f} without any "
            f"caption (difference {gap['mean']:.2f}{end}). The questions do not measure captions: they ask for what "
            "references do not say, give their answers away, or are too few; or the judge is too weak."
        )


def make_table(facts: Mapping[str, Any], labels: Mapping[str, str], cells: Mapping[str, Cell]) -> QuestionTable:
    """The table of a record's questions: `labels` of systems or of their trainings, `cells` of systems."""
    names = [FLOOR, *(name for name in facts["rows"] if name not in LABELS), CEILING]
    rows = []
    for name in names:
        row = facts["rows"][name]
        label = LABELS.get(name) or labels.get(name, name)
        shares = [row["subjects"][subject] for subject in facts["subjects"]]
        ends = (cells[name].low, cells[name].high) if name in cells else (None, None)
        rows.append(Rates(label, row["score"], *ends, row["accuracy"], row["n_failed"], shares))
    return QuestionTable(facts, rows)
