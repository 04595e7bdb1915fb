"""The report's section on data: leakage between splits, near-duplicates, label leakage, flags by source and split."""

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
    "captions": "references per drawing",
    "caption_words": "words per reference",
}
LABEL_LEAK_LEFT, LABEL_LEAK_REMOVED = "label_leakage_left", "label_leakage_removed"


@dataclass(frozen=True)
class FlagRow:
    """How many samples have a flag: of each source after preprocessing, and of each split."""

    flag: str
    of_sources: list[int]
    of_splits: list[int]


@dataclass(frozen=True)
class LabelLeakageRow:
    """Numbers of drawings of a source with label leakage: removed by preprocessing, and left."""

    source: str
    removed: int
    left: int
    kept: int


def tabulate_flags(inputs: ReportInputs) -> list[FlagRow]:
    """The flags of preprocessing and splitting, the most frequent first."""
    of_sources = [Counter(counts["flags"]) for counts in inputs.preprocess_counts.values()]
    of_splits = [Counter(inputs.statistics["flags"].get(split, {})) for split in SPLITS]
    names = {flag for counts in (*of_sources, *of_splits) for flag in counts}
    rows = [FlagRow(flag, [c[flag] for c in of_sources], [c[flag] for c in of_splits]) for flag in names]
    return sorted(rows, key=lambda row: (-sum(row.of_sources), -sum(row.of_splits), row.flag))


def count_label_leakage(inputs: ReportInputs) -> list[LabelLeakageRow]:
    """One row per source."""
    return [
        LabelLeakageRow(
            source, counts["flags"].get(LABEL_LEAK_REMOVED, 0), counts["flags"].get(LABEL_LEAK_LEFT, 0), counts["kept"]
        )
        for source, counts in inputs.preprocess_counts.items()
    ]


def describe_leakage(inputs: ReportInputs) -> list[str]:
    """Sentences on the measures against leakage from the train split into the test split."""
    duplicates = inputs.duplicates
    pairs, together, common = (duplicates[name] for name in ("near_pairs", "kept_together", "common_captions"))
    captions = duplicates["caption_duplicates"]
    return [
        "Near-duplicates were not searched, because no drawing was rendered (preprocess.render_check)."
        if pairs is None
        else f"Pairs of near-duplicate drawings: {pairs:,}.",
        f"Captions that several drawings of one split share: {captions['inside']:,}; captions shared across splits: "
        f"{captions['across']:,}.",
        f"Samples assigned to the split of another sample with the same drawing, picture or caption: {together:,}.",
        f"Captions shared by too many drawings to form a group: {common:,}.",
        describe_given_leaks(inputs)
        if inputs.leakage["groups"]
        else "No group of similar drawings or captions spans two of the dataset's own splits (if it has any).",
    ]


def describe_given_leaks(inputs: ReportInputs) -> str:
    """Leakage between the dataset's own splits, and how it was handled."""
    leakage = inputs.leakage
    found = (
        "The dataset's own splits leak. Groups of similar drawings or captions in more than one of "
        f"them: {leakage['groups']:,}, of these with test drawings: {leakage['groups_with_test']:,}, similar in a "
        f"caption only: {leakage['groups_by_caption']:,}."
    )
    if leakage["setting"] == "move":
        return f"{found} Samples moved to the split of their group: {leakage['moved']:,}."
    return f"{found} They were not moved (dataset.leakage: {leakage['setting']})."
