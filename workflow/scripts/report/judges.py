"""The report's table of judges, and its warnings: failures, and judges that score captions of their own model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.command import InputError
from core.records import read_json
from report.caption_questions import QuestionTable, make_table
from report.comparison import Comparison
from report.endpoints import EndpointUse
from report.words import join_some


@dataclass(frozen=True)
class JudgeUse:
    """judges/<metric>.json with the labels of its metric and of the systems of the same model."""

    label: str  # of the metric's value
    facts: dict[str, Any]
    kin: list[str]
    lengths: list[tuple[str, float | None]]  # of each system, or training of one: correlation of score and length
    questions: QuestionTable | None = None  # of a metric that asks some

    @property
    def name(self) -> str:
        """The judge, by its own words where it stands behind a server."""
        return str(self.facts["answered_by"] if self.facts["server"] else self.facts["judge"])

    @property
    def self_preference(self) -> str:
        """The warning that the judge scores captions of its own model; empty where it does not."""
        if not self.kin:
            return ""
        return (
            f"{self.name} gives {self.label} and wrote the captions of {join_some(self.kin)}: judge and contestant "
            "share a model. Models prefer what they would write themselves, so these systems score too high against "
            f"the others. Choose another judge, or leave these systems out of conclusions by {self.label}."
        )

    @property
    def failures(self) -> str:
        """What the judge could not score; empty where it scored all."""
        if not self.facts["n_failed"]:
            return ""
        if self.questions:
            return (
                f"{self.label}: the judge did not answer {self.facts['n_failed']:,} of {self.facts['n_asked']:,} "
                f"questions by a letter. {self.questions.facts['n_left_out']:,} of the "
                f"{self.questions.facts['n']:,} questions are left out of {self.label} for all systems, and with them "
                f"{self.facts['n_left_out']:,} samples that have no other question."
            )
        return (
            f"{self.label}: the judge gave no score for {self.facts['n_failed']:,} of {self.facts['n_asked']:,} "
            f"captions. {self.facts['n_left_out']:,} samples are left out of {self.label} for all systems, those "
            "without a picture included."
        )

    @property
    def weakness(self) -> str:
        """That its questions do not measure captions; empty where they do, or it asks none."""
        weakness = self.questions.weakness if self.questions else ""
        return f"{self.label}: {weakness}" if weakness else ""


FACTS = (
    *("metric", "judge", "answered_by", "server", "n_asked", "n_failed", "reasons", "n_left_out"),
    *("agreement", "length"),
)


def read_judges(
    paths: Sequence[Path], kin: Mapping[str, Sequence[str]], comparison: Comparison, endpoints: Sequence[EndpointUse]
) -> list[JudgeUse]:
    """Read judges/<metric>.json; `kin` are the systems of the judge's model by metric, by the configuration.

    Systems that the same model answered, by the servers' words, are kin as well. Raises InputError for another file.
    """
    values = {value.metric: value for value in comparison.values}
    found = []
    for path in paths:
        facts = read_json(path)
        if any(name not in facts for name in FACTS) or facts["metric"] not in values:
            raise InputError(f"{path} is no record of a judge of this comparison; run score_judge and compare again")
        same = [comparison.label(name) for name in kin.get(facts["metric"], ())]
        if facts["server"]:
            same += [use.label for use in endpoints if use.facts["answered_by"] == facts["answered_by"]]
        systems = {system.name: system.label for system in comparison.systems}
        once = [system for system in comparison.systems if len(system.runs) == 1]  # else a row is one training
        lengths = [(systems.get(name, name), value) for name, value in facts["length"]["systems"].items()]
        value = values[facts["metric"]]
        cells = {one.name: comparison.cells[one.name, value.name, "all"] for one in once}
        table = make_table(facts["questions"], systems, cells) if "questions" in facts else None
        found.append(JudgeUse(value.label, facts, list(dict.fromkeys(same)), lengths, table))
    return found
