"""Unite the sources, remove duplicates, and split by groups so that no twin of a drawing leaks.

Input: preprocessed/<source>.parquet of every source. Output, in one folder: <split>.parquet for each split,
counts.json, left_out.csv (what takes no part, with the reason).

    python workflow/scripts/split_samples.py --input a.parquet b.parquet --validation 0.1 --test 0.1 \
        --limits '{"a": {"max_chars": 400, "train": 150}}' --seed 7 --output-dir data
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from command import InputError, run_command, say, write_whole
from groups import unite_by_keys
from json_settings import settings_from_json
from records import SPLITS, Sample, read_samples, write_json, write_samples

# A caption of more drawings than this ("icon") says nothing of their kinship and unites nobody.
MAX_DRAWINGS_OF_A_CAPTION = 50

# id -> why the sample takes no part: too_long, over_cap, duplicates
LeftOut = dict[str, str]


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


def read_sources(paths: Iterable[Path]) -> list[Sample]:
    """All samples of all sources. Raises InputError for two records with one id and for an unknown split."""
    samples: list[Sample] = []
    origin: dict[str, Path] = {}
    for path in paths:
        for sample in read_samples(path):
            if sample.id in origin:
                raise InputError(f"id {sample.id!r} is in {origin[sample.id]} and again in {path}; rename one of them")
            if sample.split not in ("", *SPLITS):
                raise InputError(f"{path}: {sample.id!r} has split {sample.split!r}; use {', '.join(SPLITS)} or none")
            origin[sample.id] = path
            samples.append(sample)
    return samples


def find_duplicates(samples: list[Sample]) -> LeftOut:
    """Samples whose xml another sample has already. Which one stays: that of the test split before that of train."""
    order = {"test": 0, "validation": 1, "train": 2, "": 3}
    first: dict[str, str] = {}
    duplicates: LeftOut = {}
    for sample in sorted(samples, key=lambda sample: order[sample.split]):
        if first.setdefault(sample.xml, sample.id) != sample.id:
            duplicates[sample.id] = "duplicates"
    return duplicates


def find_too_long(samples: list[Sample], limits: dict[str, Limits]) -> LeftOut:
    """Samples over the length limit of their source."""
    longest = {source: limit.max_chars for source, limit in limits.items() if limit.max_chars is not None}
    return {s.id: "too_long" for s in samples if s.source in longest and s.n_chars > longest[s.source]}


def unite_groups(samples: list[Sample]) -> dict[str, str]:
    """The group of each sample by id: samples that share group, xml or caption belong together.

    Captions unite only samples without a given split: who gives splits has decided. They do so across sources: sets of
    emoji draw the same things. A group goes by the name that sorts first, one that came with its samples, so that a new
    twin does not rename it.
    """
    captions = {s.id: {" ".join(r.lower().split()) for r in s.references} for s in samples if not s.split}
    n_drawings = Counter(caption for of_sample in captions.values() for caption in of_sample)
    return unite_by_keys(
        {
            sample.id: [
                f"group:{sample.source}:{sample.group}",
                f"xml:{hashlib.sha256(sample.xml.encode()).hexdigest()}",
                *(
                    f"reference:{caption}"
                    for caption in captions.get(sample.id, ())
                    if n_drawings[caption] <= MAX_DRAWINGS_OF_A_CAPTION
                ),
            ]
            for sample in samples
        }
    )


def uniform_hash(seed: int, text: str) -> float:
    """A number in [0, 1) that depends on seed and text only, so that new samples do not move old ones."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8], "big") / 2**64


def assign_splits(samples: list[Sample], validation: float, test: float, seed: int) -> list[Sample]:
    """Samples with their split: the given one, else that given to another of its group, else by a hash of the group."""
    groups = unite_groups(samples)
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


def given_splits(samples: list[Sample], groups: dict[str, str]) -> dict[str, set[str]]:
    """The splits that came with the samples of a group, for groups with any. More than one is a leak of the giver's."""
    given: dict[str, set[str]] = {}
    for sample in samples:
        if sample.split:
            given.setdefault(groups[sample.id], set()).add(sample.split)
    return given


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


def count_samples(samples: list[Sample], left_out: LeftOut) -> dict[str, dict[str, dict[str, int]]]:
    """The counts of every source; what was kept by preprocessing equals the sum of all places it went."""
    counts = {}
    for source in sorted({sample.source for sample in samples}):
        places = Counter(left_out.get(sample.id, sample.split) for sample in samples if sample.source == source)
        named = {place: places[place] for place in ("too_long", "over_cap", "duplicates", *SPLITS)}
        kept = sum(sample.source == source for sample in samples)
        assert kept == sum(named.values()), f"counts of {source} do not add up: {kept} kept, {named}"
        counts[source] = {"kept": kept, **named}
    return {"sources": counts}


def write_left_out(path: Path, samples: list[Sample], left_out: LeftOut) -> None:
    """List what takes no part as CSV: id, source, reason."""
    with write_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "source", "reason"])
        writer.writerows([s.id, s.source, left_out[s.id]] for s in samples if s.id in left_out)


def tell_leaks(samples: list[Sample]) -> None:
    """Tell a person which given splits share drawings or groups: such scores flatter a model."""
    straddling = [splits for splits in given_splits(samples, unite_groups(samples)).values() if len(splits) > 1]
    if straddling:
        say(
            "split_samples",
            f"LEAK in the given splits: {len(straddling)} groups of like drawings lie in more than one of them "
            f"({sum('test' in splits for splits in straddling)} touch test); exact copies were removed, the rest left "
            "where it was given",
        )


def check_splits(samples: list[Sample], n_in: int, left_out: LeftOut) -> None:
    """Raise InputError, with the mend, where a split is empty."""
    sizes = Counter(sample.split for sample in samples)
    for split in SPLITS:
        if not sizes[split]:
            reasons = "".join(f", {number} {reason}" for reason, number in Counter(left_out.values()).items())
            share = "dataset.validation and dataset.test leave none" if split == "train" else f"raise dataset.{split}"
            raise InputError(
                f"the {split} split is empty: {n_in} samples came in{reasons}. Give more samples, raise the limits, "
                f"or change the shares of the splits ({share})"
            )


def main(*, input: list[Path], validation: float, test: float, limits: str, seed: int, output_dir: Path) -> None:
    """Write the splits. Raises InputError for an id that is there twice and for an empty split."""
    limits_of = read_limits(limits)
    samples = read_sources(input)
    tell_leaks(samples)
    left_out = find_too_long(samples, limits_of) | find_duplicates(samples)
    assigned = assign_splits(samples, validation, test, seed)
    left_out |= find_over_cap([sample for sample in assigned if sample.id not in left_out], limits_of, seed)
    kept = [sample for sample in assigned if sample.id not in left_out]
    check_splits(kept, len(samples), left_out)
    for split in SPLITS:
        write_samples(output_dir / f"{split}.parquet", [sample for sample in kept if sample.split == split])
    write_left_out(output_dir / "left_out.csv", assigned, left_out)
    write_json(output_dir / "counts.json", count_samples(assigned, left_out))
    sizes = ", ".join(f"{sum(sample.split == split for sample in kept)} {split}" for split in SPLITS)
    reasons = "".join(f", {number} {reason}" for reason, number in Counter(left_out.values()).items())
    say("split_samples", f"{sizes}{reasons}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Split samples by groups into train, validation and test.")
    parser.add_argument("--input", type=Path, nargs="+", required=True, help="preprocessed samples, a file a source")
    parser.add_argument("--validation", type=float, required=True, help="share of the groups for validation")
    parser.add_argument("--test", type=float, required=True, help="share of the groups for test")
    parser.add_argument("--limits", default="{}", help="JSON: source -> {max_chars, train, validation, test}")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
