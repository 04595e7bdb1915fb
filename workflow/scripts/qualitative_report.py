r"""Chosen samples with the captions of all systems: a page to print, for a paper's appendix.

Four kinds, `--n` of each, no sample twice: the best and the worst of one system by one value, those on which the
systems disagree most (largest range of the value over them), and random ones by a seed. Ties go to the earlier sample.

Input   comparison.json, samples and images of the test split, captions and scores of all systems
Output  qualitative.html, without any script; the browser prints it to PDF. The same bytes for unchanged input

    python workflow/scripts/qualitative_report.py --experiment demo --comparison comparison.json \
        --samples data/test.parquet --captions-dir captions --scores-dir scores --value cider --seed 20 \
        --output qualitative.html

Drawings, captions and names are untrusted: drawings are only images, and texts are escaped.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from captions.health import words_of
from core.command import InputError, log, run_command, write_whole
from core.records import Caption, Sample, check_ids, read_captions, read_samples
from report.comparison import Comparison, System, Value, read_comparison
from report.inputs import read_values
from report.page import content_security_policy, make_environment, read_template
from report.payload import displayable_svg


@dataclass(frozen=True)
class Entry:
    """What a system wrote for a sample: words, each with whether a reference has it; none where it failed."""

    system: System
    words: list[tuple[str, bool]]
    reason: str  # why there is no caption
    score: float | None
    best: bool  # among the systems on this sample


@dataclass(frozen=True)
class Plate:
    """A chosen sample."""

    sample: Sample
    svg: bytes
    entries: list[Entry]


@dataclass(frozen=True)
class Chapter:
    """The samples of one kind, and how they were chosen."""

    title: str
    note: str
    plates: list[Plate]


def choose_samples(
    leading: np.ndarray, others: np.ndarray, *, higher_is_better: bool, n: int, seed: int
) -> dict[str, list[int]]:
    """Places of the samples of each kind.

    `leading` are the scores of one system (samples), `others` of all systems (systems x samples); nan where there is
    none. A sample without a score of the one system is neither best nor worst.
    """
    goodness = leading if higher_is_better else -leading
    known = [place for place in range(len(leading)) if not np.isnan(goodness[place])]
    spread = {
        place: float(np.nanmax(others[:, place]) - np.nanmin(others[:, place]))
        for place in range(len(leading))
        if np.isfinite(others[:, place]).sum() > 1
    }
    lots = list(range(len(leading)))
    random.Random(seed).shuffle(lots)
    orders = {
        "best": sorted(known, key=lambda place: -goodness[place]),
        "worst": sorted(known, key=lambda place: goodness[place]),
        "disagreed": sorted(spread, key=lambda place: -spread[place]),
        "random": lots,
    }
    taken: set[int] = set()
    chosen: dict[str, list[int]] = {}
    for kind, order in orders.items():
        chosen[kind] = [place for place in order if place not in taken][:n]
        taken.update(chosen[kind])
    return chosen


def mark_words(caption: Caption, sample: Sample) -> list[tuple[str, bool]]:
    """The words of a caption, each with whether any reference has it, whatever its case and punctuation."""
    known = {word for reference in sample.references for word in words_of(reference)}
    return [(word, set(words_of(word)) <= known) for word in caption.caption.split()]


def make_plate(
    place: int,
    sample: Sample,
    comparison: Comparison,
    captions: dict[str, list[Caption]],
    scores: dict[str, np.ndarray],
    higher_is_better: bool,
) -> Plate:
    """A sample with what each system wrote, in the configuration's order."""
    known = [values[place] for values in scores.values() if not np.isnan(values[place])]
    best = (max if higher_is_better else min)(known, default=None)
    entries = []
    for system in comparison.systems:
        caption, score = captions[system.name][place], scores[system.name][place]
        words = mark_words(caption, sample) if caption.status == "ok" else []
        entries.append(
            Entry(system, words, caption.reason, None if np.isnan(score) else float(score), bool(score == best))
        )
    return Plate(sample, displayable_svg(sample.xml).encode(), entries)


def render_page(title: str, comparison: Comparison, value: Value, system: str, chapters: list[Chapter]) -> str:
    """The whole page."""
    css = read_template("qualitative/page.css")
    return (
        make_environment()
        .get_template("qualitative/page.html.j2")
        .render(
            title=title,
            comparison=comparison,
            value=value,
            leader=comparison.label(system),
            chapters=chapters,
            css=Markup(css),
            policy=content_security_policy(css),
        )
    )


def main(
    *,
    experiment: str,
    comparison: Path,
    samples: Path,
    captions_dir: Path,
    scores_dir: Path,
    value: str,
    seed: int,
    output: Path,
    system: str | None = None,
    n: int = 4,
) -> None:
    """Choose the samples and write the page."""
    table = read_comparison(comparison)
    chosen_value = table.value(value)
    records = read_samples(samples)
    ids = [sample.id for sample in records]
    leader = system or (table.best[value].system if value in table.best else table.systems[0].name)
    if leader not in {entry.name for entry in table.systems}:
        names = ", ".join(entry.name for entry in table.systems)
        raise InputError(f"the comparison has no system {leader!r}: report.qualitative.system can be {names}")
    captions: dict[str, list[Caption]] = {}
    scores: dict[str, np.ndarray] = {}
    for entry in table.systems:
        path = captions_dir / f"{entry.name}.jsonl"
        captions[entry.name] = read_captions(path)
        check_ids(path, [caption.id for caption in captions[entry.name]], ids)
        scores[entry.name] = read_values(scores_dir, entry.name, table, ids)[value]
    higher = chosen_value.higher_is_better
    places = choose_samples(scores[leader], np.stack(list(scores.values())), higher_is_better=higher, n=n, seed=seed)
    words = describe_kinds(table.label(leader), chosen_value, seed)
    chapters = [
        Chapter(*words[kind], [make_plate(p, records[p], table, captions, scores, higher) for p in chosen])
        for kind, chosen in places.items()
        if chosen
    ]
    with write_whole(output) as partial:
        partial.write_text(render_page(experiment, table, chosen_value, leader, chapters), encoding="utf-8")
    log("qualitative_report", f"{sum(map(len, places.values()))} of {len(ids):,} samples, by {chosen_value.label}")


def describe_kinds(leader: str, value: Value, seed: int) -> dict[str, tuple[str, str]]:
    """Title and rule of each kind of samples."""
    ends = ("highest", "lowest") if value.higher_is_better else ("lowest", "highest")
    return {
        "best": ("Best", f"The {ends[0]} {value.label} of {leader}."),
        "worst": ("Worst", f"The {ends[1]} {value.label} of {leader}."),
        "disagreed": ("Most disagreed", f"The largest range of {value.label} over the systems."),
        "random": ("Random", f"Drawn by lot, seed {seed}."),
    }


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", required=True, help="title of the page")
    parser.add_argument("--comparison", type=Path, required=True, help="comparison.json")
    parser.add_argument("--samples", type=Path, required=True, help="samples of the test split")
    parser.add_argument("--captions-dir", type=Path, required=True, help="folder of <system>.jsonl")
    parser.add_argument("--scores-dir", type=Path, required=True, help="folder of <system>/<metric>.parquet")
    parser.add_argument("--value", required=True, help="value by which samples are chosen")
    parser.add_argument("--system", help="system whose best and worst are shown (default: the best by that value)")
    parser.add_argument("--n", type=int, default=4, help="samples of each kind")
    parser.add_argument("--seed", type=int, required=True, help="seed of the random ones")
    parser.add_argument("--output", type=Path, required=True, help="qualitative.html")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
