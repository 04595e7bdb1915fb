"""`comparison.json` as figures and report read it: systems, values, slices, cells, best."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comparison.data_use import check_use, describe_use, use_codes
from comparison.version import check_version
from core.command import InputError
from core.records import read_json

FAMILY_LABELS = {
    "zero_shot": "zero-shot",
    "few_shot": "few-shot",
    "lora": "LoRA",
    "captioner": "captioner",
    "endpoint": "endpoint",
    "baseline": "baseline",
    "file": "file",
}
# BLEU-4 without any match is not 0 but some 1e-6 of its range, since it is a root.
NEXT_TO_NOTHING = 1e-5


@dataclass(frozen=True)
class System:
    """A row of the comparison. Of a model that is trained here, `trainings` are its runs by their numbers."""

    name: str
    label: str
    family: str
    base: str | None
    trained: bool | None  # on this data; None where nobody said it
    input: str | None  # what it reads of a drawing: code, image, both or none; None where nobody said it
    trainings: dict[str, str] = field(default_factory=dict, hash=False)
    shares_model: tuple[str, ...] = ()  # the metrics by whose own model it captions

    @property
    def runs(self) -> dict[str, str]:
        """What wrote its captions, by how each is called in tables: the system itself, or each of its trainings."""
        if len(self.trainings) < 2:
            return {self.label: self.name}
        return {f"{self.label}, seed {number}": run for number, run in self.trainings.items()}

    @property
    def trained_code(self) -> str:
        """Its side of training: yes, no or unknown."""
        return use_codes(self.trained, self.input)["trained"]

    @property
    def use(self) -> str:
        """`trained on this data, reads code, 3 training seeds`."""
        n = len(self.trainings)
        seeds = f", {n} training seed{'s' if n > 1 else ''}" if n else ""
        return f"{describe_use(self.trained, self.input)}{seeds}"


@dataclass(frozen=True)
class Value:
    """A column of the comparison: one value of a metric and how it is shown."""

    name: str
    metric: str
    label: str
    range: tuple[float, float]
    radar: bool
    higher_is_better: bool
    corpus: bool  # computed from counts of all samples (BLEU, METEOR), not the mean of their values
    signature: str
    note: str
    share: bool = False  # 0 or 1 on each sample
    n_truncated_references: int = 0  # references of which the metric read only the beginning


@dataclass(frozen=True)
class Cell:
    """The score of a system on a slice with its interval, which rests on `n` samples in `n_groups` groups.

    Of a model with several trainings it is the mean of `by_training`, whose standard deviation is `seed_sd`; failed
    and truncated captions are those of all. The score is null where n is 0; the ends are where there is one group, or
    all resamples gave the same.
    """

    system: str
    value: str
    slice: str
    score: float | None
    low: float | None
    high: float | None
    n: int
    n_groups: int
    n_failed: int
    n_truncated: int  # captions of which the metric read only the beginning
    sample_mean: float | None  # the mean of the samples' values, of a corpus value only
    by_training: list[float | None] = field(default_factory=list)
    seed_sd: float | None = None


@dataclass(frozen=True)
class Human:
    """How well a reference agrees with the others of its sample, by one value.

    `n` samples in `n_groups` groups have two or more references.
    """

    value: str
    score: float | None
    low: float | None
    high: float | None
    n: int
    n_groups: int


@dataclass(frozen=True)
class Best:
    """The best system by one value on all samples, and those that don't differ from it significantly."""

    system: str
    ties: list[str]
    testable: bool  # whether any difference could be significant, with as many groups
    by_sample_mean: str | None  # the best system by the mean of the samples' values, of a corpus value only


@dataclass(frozen=True)
class Pair:
    """The lead of system `a` over system `b` by one value on all samples; `p_holm` is its corrected p-value.

    The ends of its interval are null where both systems score alike on every group.
    """

    value: str
    a: str
    b: str
    difference: float
    low: float | None
    high: float | None
    p_holm: float


@dataclass(frozen=True)
class Published:
    """Scores by value that a paper states on a slice; they were not measured here."""

    label: str
    source: str
    slice: str
    scores: dict[str, float]


@dataclass(frozen=True)
class SliceSize:
    """How many samples a slice has, in how many groups, and how many groups of one size are worth these.

    `weights` are those of an aggregate's sources, of whose scores it has the weighted mean.
    """

    n: int
    n_groups: int
    effective_groups: float
    weights: dict[str, float] | None = None

    @property
    def words(self) -> str:
        """`n = 80 in 68 groups`."""
        return f"n = {self.n:,} in {self.n_groups:,} {'group' if self.n_groups == 1 else 'groups'}"


@dataclass(frozen=True)
class Comparison:
    """All of `comparison.json`."""

    experiment: str
    n_samples: int
    n_groups: int
    confidence: float
    n_resamples: int
    systems: list[System]
    values: list[Value]
    slices: dict[str, SliceSize]
    cells: dict[tuple[str, str, str], Cell]  # by system, value, slice
    pairs: list[Pair]
    best: dict[str, Best]  # by value; a value without any score has none
    human: dict[str, Human]  # by value; those of images, and all where no sample has two references, have none
    published: list[Published]
    flag_intervals: dict[tuple[str, str], tuple[float | None, float | None]]  # of a flag's share, by system and flag

    def value(self, name: str) -> Value:
        """The value called `name`. Raises InputError that names the nearest one."""
        for value in self.values:
            if value.name == name:
                return value
        raise InputError(_unknown("value", name, [value.name for value in self.values]))

    def system(self, name: str) -> System:
        """The system called `name`."""
        return next(system for system in self.systems if system.name == name)

    @property
    def n_trainings(self) -> dict[str, int]:
        """How many trainings each model has that is trained here, by its label."""
        return {system.label: len(system.trainings) for system in self.systems if system.trainings}

    def main_values(self, radar: list[Value]) -> list[Value]:
        """The values for people: those of the radar chart, then shares."""
        return [*radar, *(value for value in self.values if value.share and value not in radar)]

    def ranked(self, value: Value) -> list[System]:
        """The systems that can win by a value: those that do not use the model of its metric themselves."""
        return [system for system in self.systems if value.metric not in system.shares_model]

    def is_informative(self, value: Value, slice_name: str) -> bool:
        """Whether a value tells systems apart on a slice: not where all systems score the worst of its range."""
        scores = [self.cells[system.name, value.name, slice_name].score for system in self.systems]
        worst = value.range[0] if value.higher_is_better else value.range[1]
        least = NEXT_TO_NOTHING * (value.range[1] - value.range[0])
        present = [score for score in scores if score is not None]
        return not present or any(abs(score - worst) > least for score in present)

    def label(self, system: str) -> str:
        """How a system is called in figures and report."""
        return self.system(system).label

    def check_slice(self, name: str) -> None:
        """Raise InputError where there is no such slice."""
        if name not in self.slices:
            raise InputError(_unknown("slice", name, list(self.slices)))


def read_comparison(path: Path) -> Comparison:
    """Read `comparison.json`. Raises InputError for a missing, foreign or newer file, or one that lacks a cell."""
    raw = read_json(path)
    try:
        check_version(path, raw)
        comparison = _parse_comparison(raw)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a comparison of this version ({error!r}); run compare again") from error
    for system in comparison.systems:
        for value in comparison.values:
            for name in comparison.slices:
                if (system.name, value.name, name) not in comparison.cells:
                    raise InputError(f"{path} has no cell for {system.name}, {value.name}, {name}; run compare again")
    return comparison


def _parse_comparison(raw: dict[str, Any]) -> Comparison:
    of_trainings = {"by_training", "seed_sd"}  # which files of before they were measured lack
    cells = [
        Cell(**{name: cell[name] for name in Cell.__dataclass_fields__ if name in cell or name not in of_trainings})
        for cell in raw["cells"]
    ]
    return Comparison(
        experiment=raw["experiment"],
        n_samples=raw["n_samples"],
        n_groups=raw["n_groups"],
        confidence=raw["confidence"],
        n_resamples=raw["n_resamples"],
        systems=[_parse_system(system) for system in raw["systems"]],
        values=[
            Value(
                name=v["name"],
                metric=v["metric"],
                label=v["label"],
                range=(float(v["range"][0]), float(v["range"][1])),
                radar=v["radar"],
                higher_is_better=v["higher_is_better"],
                corpus=v["corpus"],
                signature=v["signature"],
                note=v.get("note") or "",
                share=v.get("share", False),
                n_truncated_references=v.get("n_truncated_references", 0),
            )
            for v in raw["values"]
        ],
        slices={
            s["name"]: SliceSize(s["n"], s["n_groups"], s["effective_groups"], s.get("weights")) for s in raw["slices"]
        },
        cells={(cell.system, cell.value, cell.slice): cell for cell in cells},
        pairs=[Pair(**{field: pair[field] for field in Pair.__dataclass_fields__}) for pair in raw["pairs"]],
        human={
            record["value"]: Human(**{field: record[field] for field in Human.__dataclass_fields__})
            for record in raw["human"]
        },
        published=[
            Published(**{field: row[field] for field in Published.__dataclass_fields__})
            for row in raw.get("published", [])
        ],
        best={
            name: Best(**{field: best[field] for field in Best.__dataclass_fields__})
            for name, best in raw["best"].items()
            if best
        },
        flag_intervals={
            (record["system"], name): (low, high)
            for record in raw["health"]
            if record["slice"] == "all"
            for name, (low, high) in record["intervals"].items()
        },
    )


def _parse_system(raw: dict[str, Any]) -> System:
    check_use(raw["trained"], raw["input"])
    return System(
        raw["name"],
        raw.get("label") or raw["name"],
        raw["family"],
        raw.get("base"),
        raw["trained"],
        raw["input"],
        raw.get("trainings") or {},
        tuple(raw.get("shares_model", ())),
    )


def _unknown(kind: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return f"the comparison has no {kind} {name!r}: {hint}"
