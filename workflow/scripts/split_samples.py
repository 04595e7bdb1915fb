r"""Unite the sources, remove duplicates, and split by groups so that no near-duplicate of a drawing leaks.

Input: preprocessed/<source>.parquet of every source, and the fingerprints of their pictures. Output, in one folder:
<split>.parquet for each split, counts.json, statistics.json, left_out.csv (what takes no part, with the reason).

    python workflow/scripts/split_samples.py --input a.parquet b.parquet --fingerprints a.fingerprints.parquet \
        --validation 0.1 --test 0.1 --limits '{"a": {"max_chars": 400, "train": 150}}' --seed 7 --output-dir data

The texts of the drawings pass by twice and are never all in memory.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.command import InputError, log, run_command
from core.json_settings import settings_from_json
from core.records import SPLITS, Sample, open_rows, sample_schema, stream_samples, write_json
from samples.kinship import (
    GROUP_KEY,
    caption_keys,
    count_caption_duplicates,
    count_kept_together,
    digest_of,
    find_common,
    find_duplicates,
    find_straddling,
    given_splits,
    read_near_duplicates,
    unite_groups,
    usable_references,
)
from samples.left_out import REASONS, LeftOut, find_listed, write_left_out
from samples.questions import check_questions
from samples.reference_checks import ReferenceChecks
from samples.split_statistics import Statistics

LEAKAGE = ("error", "warn", "move")
NOT_LOOKED_FOR = "near-duplicates were not searched, because no drawing was rendered (preprocess.render_check)"


@dataclass(frozen=True)
class Limits:
    """How much of a source takes part; None: no limit."""

    max_chars: int | None = None  # longest xml
    train: int | None = None  # most samples of the split
    validation: int | None = None
    test: int | None = None


def read_limits(text: str) -> dict[str, Limits]:
    """Limits by source from a JSON object of objects. Raises InputError for what is none and for unknown keys."""
    try:
        table = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"--limits is not JSON ({error})") from error
    return {
        source: settings_from_json(Limits, json.dumps(limits), f"{source}.limits") for source, limits in table.items()
    }


def read_sources(paths: Iterable[Path], questions: bool) -> list[Sample]:
    """All samples of all sources, with the digest of their xml instead of it; without questions that nobody asks.

    Raises InputError for two records with one id and for an unknown split.
    """
    samples: list[Sample] = []
    origin: dict[str, Path] = {}
    for path in paths:
        for sample in stream_samples(path):
            if sample.id in origin:
                raise InputError(f"id {sample.id!r} is in {origin[sample.id]} and again in {path}; rename one of them")
            if sample.split not in ("", *SPLITS):
                raise InputError(f"{path}: {sample.id!r} has split {sample.split!r}; use {', '.join(SPLITS)} or none")
            origin[sample.id] = path
            question = sample.question if questions else ""
            samples.append(dataclasses.replace(sample, xml=digest_of(sample.xml), question=question))
    return samples


def find_too_long(samples: list[Sample], limits: dict[str, Limits]) -> LeftOut:
    """Samples over the length limit of their source."""
    longest = {source: limit.max_chars for source, limit in limits.items() if limit.max_chars is not None}
    return {s.id: "too_long" for s in samples if s.source in longest and s.n_chars > longest[s.source]}


def uniform_hash(seed: int, text: str) -> float:
    """A number in [0, 1) that depends on seed and text only, so that new samples do not move old ones."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8], "big") / 2**64


def assign_splits(
    samples: list[Sample], validation: float, test: float, seed: int, groups: dict[str, str] | None = None
) -> list[Sample]:
    """Samples with their split: the given one, else that given to another of its group, else by a hash of the group."""
    groups = unite_groups(samples) if groups is None else groups
    given = given_splits(samples, groups)
    assigned = []
    for sample in samples:
        group = groups[sample.id]
        if sample.split:
            split = sample.split
        elif group in given:
            # Of several, train: the test split would get another sample that train knows.
            split = min(given[group], key=SPLITS.index)
        else:
            place = uniform_hash(seed, group)
            split = "test" if place < test else "validation" if place < test + validation else "train"
        assigned.append(dataclasses.replace(sample, split=split))
    return assigned


def carve_validation(samples: list[Sample], groups: dict[str, str], validation: float, seed: int) -> list[Sample]:
    """Where data come with a train and a test split alone, a share of the groups of train becomes validation."""
    if {sample.split for sample in samples} != {"train", "test"}:
        return samples
    carved = [
        dataclasses.replace(s, split="validation")
        if s.split == "train" and uniform_hash(seed, groups[s.id]) < validation
        else s
        for s in samples
    ]
    n = sum(sample.split == "validation" for sample in carved)
    log("split_samples", f"the data have no validation split: {n} samples of train became one (dataset.validation)")
    return carved


def find_over_cap(samples: list[Sample], limits: dict[str, Limits], seed: int) -> LeftOut:
    """Samples over the cap of their source and split; which ones stay is drawn by seed and id."""
    left_out: LeftOut = {}
    taken: Counter[tuple[str, str]] = Counter()
    for sample in sorted(samples, key=lambda sample: uniform_hash(seed, sample.id)):
        cap = getattr(limits.get(sample.source, Limits()), sample.split)
        if cap is not None and taken[sample.source, sample.split] >= cap:
            left_out[sample.id] = "over_cap"
        else:
            taken[sample.source, sample.split] += 1
    return left_out


def count_samples(samples: list[Sample], left_out: LeftOut) -> dict[str, dict[str, int]]:
    """The counts of every source; what was kept by preprocessing equals the sum of all places it went."""
    counts = {}
    for source in sorted({sample.source for sample in samples}):
        places = Counter(left_out.get(sample.id, sample.split) for sample in samples if sample.source == source)
        named = {place: places[place] for place in (*REASONS, *SPLITS)}
        kept = sum(sample.source == source for sample in samples)
        assert kept == sum(named.values()), f"counts of {source} do not add up: {kept} kept, {named}"
        counts[source] = {"kept": kept, **named}
    return counts


def settle_leaks(
    samples: list[Sample], groups: dict[str, str], alike: dict[str, str], leakage: str
) -> tuple[list[Sample], dict[str, object]]:
    """What becomes of groups that lie in several given splits, and the numbers of it.

    Such scores flatter a model. `error` raises InputError, `warn` leaves them and tells a person, `move` moves the
    whole group to the split of its that is last of train, validation, test. `alike` are the groups without regard to
    captions: they tell which leaks are of a caption only.
    """
    straddling, drawings = find_straddling(samples, groups), find_straddling(samples, alike)
    by_caption = len(straddling.keys() - {groups[sample.id] for sample in samples if alike[sample.id] in drawings})
    touching = sum("test" in splits for splits in straddling.values())
    settled, moved = samples, 0
    if straddling:
        n = len(straddling)
        found = f"LEAK in the given splits: {n} groups of like drawings or captions lie in more than one of them"
        parts = f"{touching} touch test, {by_caption} are alike in a caption only"
        if leakage == "error":
            shown = [sample.id for sample in samples if groups[sample.id] == min(straddling)]
            raise InputError(
                f"{found} ({parts}), {', '.join(shown[:5])} for instance. Fix the splits, or set dataset.leakage to "
                "warn or move; dataset.captions.max_drawings is of how many drawings a caption still makes them alike"
            )
        if leakage == "move":
            last = {group: max(splits, key=SPLITS.index) for group, splits in straddling.items()}
            settled = [dataclasses.replace(s, split=last.get(groups[s.id], s.split)) if s.split else s for s in samples]
            moved = sum(new.split != old.split for new, old in zip(settled, samples, strict=True))
        ending = (
            f"{moved} samples were moved" if moved else "exact copies were removed, the rest left where it was given"
        )
        log("split_samples", f"{found} ({parts}); {ending}")
    numbers = {
        "setting": leakage,
        "groups": len(straddling),
        "groups_with_test": touching,
        "groups_by_caption": by_caption,
        "moved": moved,
    }
    return settled, numbers


def check_splits(samples: list[Sample], n_in: int, left_out: LeftOut) -> None:
    """Raise InputError, with the fix, where a split is empty."""
    sizes = Counter(sample.split for sample in samples)
    for split in SPLITS:
        if not sizes[split]:
            reasons = "".join(f", {number} {reason}" for reason, number in Counter(left_out.values()).items())
            share = "dataset.validation and dataset.test leave none" if split == "train" else f"raise dataset.{split}"
            raise InputError(
                f"the {split} split is empty: {n_in} samples came in{reasons}. Give more samples, raise the limits, "
                f"or change the shares of the splits ({share})"
            )


def write_splits(
    paths: Iterable[Path],
    split_of: dict[str, str],
    groups: dict[str, str],
    common: set[str],
    drop_common: bool,
    questions: bool,
    folder: Path,
) -> Statistics:
    """Write the samples that take part to the files of their splits, with their group; returns their statistics.

    The group that is written is the one that decided the split, and the one that statistics resample: not the name that
    came with the sample, which another source may have as well.
    """
    statistics = Statistics()
    schema = sample_schema(questions)
    with contextlib.ExitStack() as stack:
        writers = {split: stack.enter_context(open_rows(folder / f"{split}.parquet", schema)) for split in SPLITS}
        for sample in (sample for path in paths for sample in stream_samples(path)):
            if sample.id not in split_of:
                continue
            group = groups[sample.id].removeprefix(GROUP_KEY)
            written = dataclasses.replace(sample, split=split_of[sample.id], group=group)
            if common and caption_keys(sample) & common:
                written.flags = [*sample.flags, "caption:common"]
                if drop_common:
                    written.references = usable_references(sample, common)
            statistics.add(written)
            writers[written.split](dataclasses.asdict(written))
    return statistics


def main(
    *,
    input: list[Path],
    fingerprints: list[Path],
    validation: float,
    test: float,
    limits: str,
    leakage: str,
    captions: str,
    seed: int,
    output_dir: Path,
    questions: bool = False,
    leave_out: Sequence[Path] = (),
) -> None:
    """Write the splits. Raises InputError for an id that is there twice, an empty split, and leaks by setting.

    With `questions` samples keep theirs, and InputError is raised where one that takes part has none.
    """
    limits_of = read_limits(limits)
    checks = settings_from_json(ReferenceChecks, captions, "dataset.captions")
    samples = read_sources(input, questions)
    near_duplicates = read_near_duplicates(fingerprints, samples)
    groups = unite_groups(samples, near_duplicates or (), checks.max_drawings)
    samples, leaks = settle_leaks(
        samples, groups, unite_groups(samples, near_duplicates or (), max_drawings=0), leakage
    )
    samples = carve_validation(samples, groups, validation, seed)
    common, drop_common = find_common(samples, checks.max_drawings), "common" in checks.drop
    listed = find_listed(leave_out, samples)
    left_out = find_too_long(samples, limits_of) | find_duplicates([s for s in samples if s.id not in listed]) | listed
    if drop_common:
        left_out |= {s.id: "captions" for s in samples if s.id not in left_out and not usable_references(s, common)}
    assigned = assign_splits(samples, validation, test, seed, groups)
    left_out |= find_over_cap([sample for sample in assigned if sample.id not in left_out], limits_of, seed)
    kept = [sample for sample in assigned if sample.id not in left_out]
    check_splits(kept, len(samples), left_out)
    if questions:
        check_questions(kept)
    statistics = write_splits(input, {s.id: s.split for s in kept}, groups, common, drop_common, questions, output_dir)
    write_left_out(output_dir / "left_out.csv", assigned, left_out)
    duplicates = {
        "near_pairs": None if near_duplicates is None else len(near_duplicates),
        "caption_duplicates": count_caption_duplicates(kept),
        "kept_together": count_kept_together(kept, groups),
        "common_captions": len(common),
    }
    counts = {"sources": count_samples(assigned, left_out), "duplicates": duplicates, "leakage": leaks}
    write_json(output_dir / "counts.json", counts)
    write_json(output_dir / "statistics.json", statistics.summarise())
    sizes = ", ".join(f"{sum(sample.split == split for sample in kept)} {split}" for split in SPLITS)
    reasons = "".join(f", {number} {reason}" for reason, number in Counter(left_out.values()).items())
    near = f"{len(near_duplicates)} pairs of near-duplicates" if near_duplicates is not None else NOT_LOOKED_FOR
    log("split_samples", f"{sizes}{reasons}; {near}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Split samples by groups into train, validation and test.")
    parser.add_argument("--input", type=Path, nargs="+", required=True, help="preprocessed samples, a file a source")
    parser.add_argument("--fingerprints", type=Path, nargs="*", default=[], help="of the pictures, a file a source")
    parser.add_argument("--validation", type=float, required=True, help="share of the groups for validation")
    parser.add_argument("--test", type=float, required=True, help="share of the groups for test")
    parser.add_argument("--limits", default="{}", help="JSON: source -> {max_chars, train, validation, test}")
    parser.add_argument("--leakage", choices=LEAKAGE, default="warn", help="what to do with leaks in given splits")
    parser.add_argument("--captions", default="{}", help="JSON: the configuration's dataset.captions")
    parser.add_argument("--questions", action="store_true", help="models are asked the question of each sample")
    parser.add_argument("--leave-out", type=Path, nargs="*", default=[], help="CSV lists of ids that take no part")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
