"""What the report says of the data: leaks and twins, answers inside drawings, flags by source and split."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from core.records import SPLITS
from report.inputs import ReportInputs

# Measures of data/statistics.json → words.
MEASURES = {
    "tokens": "tokens of the drawing",
    "characters": "characters of the drawing",
    "shapes": "shapes",
    "commands": "path commands",
    "colours": "colours",
    "captions": "references a drawing",
    "caption_words": "words a reference",
}
ANSWER_LEFT, ANSWER_REMOVED = "answer_left", "answer_removed"


@dataclass(frozen=True)
class FlagRow:
    """How many samples have a flag: of each source after preprocessing, and of each split."""

    flag: str
    of_sources: list[int]
    of_splits: list[int]


@dataclass(frozen=True)
class AnswerRow:
    """How many drawings of a source spelled words of their references as they came, and still do."""

    source: str
    removed: int
    left: int
    kept: int


def tabulate_flags(inputs: ReportInputs) -> list[FlagRow]:
    """The flags of preprocessing and splitting, the commonest first."""
    of_sources = [Counter(counts["flags"]) for counts in inputs.preprocess_counts.values()]
    of_splits = [Counter(inputs.statistics["flags"].get(split, {})) for split in SPLITS]
    names = {flag for counts in (*of_sources, *of_splits) for flag in counts}
    rows = [FlagRow(flag, [c[flag] for c in of_sources], [c[flag] for c in of_splits]) for flag in names]
    return sorted(rows, key=lambda row: (-sum(row.of_sources), -sum(row.of_splits), row.flag))


def count_answers(inputs: ReportInputs) -> list[AnswerRow]:
    """A row a source."""
    return [
        AnswerRow(source, counts["flags"].get(ANSWER_REMOVED, 0), counts["flags"].get(ANSWER_LEFT, 0), counts["kept"])
        for source, counts in inputs.preprocess_counts.items()
    ]


def describe_leakage(inputs: ReportInputs) -> list[str]:
    """What was done so that no test drawing is known from training, in sentences."""
    duplicates = inputs.duplicates
    pairs, together, common = (duplicates[name] for name in ("near_pairs", "kept_together", "common_captions"))
    captions = duplicates["caption_duplicates"]
    return [
        "Drawings that look alike were not looked for: none was drawn (preprocess.proof)."
        if pairs is None
        else f"Pairs of drawings that look alike: {pairs:,}.",
        f"Captions that several drawings of one split have: {captions['inside']:,}; those of several splits: "
        f"{captions['across']:,}.",
        "Samples that are in the split of another one, since they share its drawing, its picture or its caption: "
        f"{together:,}.",
        f"Captions of so many drawings that they make nobody kin: {common:,}.",
        describe_given_leaks(inputs)
        if inputs.leakage["groups"]
        else "No group of like drawings or captions lay in two of the splits that came with the data, if any came.",
    ]


def describe_given_leaks(inputs: ReportInputs) -> str:
    """What was found in the splits that came with the data, and what became of it."""
    leakage = inputs.leakage
    found = (
        "The splits that came with the data leak. Groups of like drawings or captions in more than one of "
        f"them: {leakage['groups']:,}, of these with test drawings: {leakage['groups_with_test']:,}, alike in a "
        f"caption only: {leakage['groups_by_caption']:,}."
    )
    if leakage["setting"] == "move":
        return f"{found} Samples moved to the split of their group: {leakage['moved']:,}."
    return f"{found} They were left where they were given (dataset.leakage: {leakage['setting']})."
