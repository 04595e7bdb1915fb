"""The page of an audit of a dataset: numbers, and drawings with their pictures; no script, nothing from elsewhere.

Of long lists the page has the first ones, and says how many more lie in audit.json.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.command import write_whole
from core.records import Image, Sample
from report.flag_words import explain_flag, explain_reason
from report.page import content_security_policy, make_environment, read_template
from samples.audit import generalise_reason

# Lengths of the audit → words.
MEASURES = {
    "tokens": "tokens of a drawing",
    "characters": "characters of a drawing",
    "shapes": "shapes of a drawing",
    "caption_words": "words of a caption",
}
MAX_TEXT = 300  # characters of a caption, question or reason that are shown
# How much of each list is shown.
N_KINDS = 30  # of reasons and flags
N_EXAMPLES = 3  # ids of a reason or flag
N_PAIRS = 20
N_GROUPS = 10
N_LEAKS = 20
N_MEMBERS = 6  # samples of a group
N_SHARED = 5  # things that the samples of a leak share
N_LEAKED = 10  # samples that contain words of their captions


@dataclass(frozen=True)
class Shown:
    """A sample with its picture, and what is suspicious about it."""

    sample: Sample
    image: Image
    reasons: list[str]

    @property
    def picture(self) -> str:
        """The picture as a data URI; empty where there is none."""
        png = self.image.png
        return "" if png is None else f"data:image/png;base64,{base64.b64encode(png).decode()}"


@dataclass(frozen=True)
class Found:
    """Something that was found in records or samples: what in plain words, in how many, the ids of a few."""

    name: str
    words: str
    number: int
    examples: list[str]


def shorten(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def bars(measure: Mapping[str, Any]) -> list[tuple[float, str]]:
    """The bars of a histogram: the height of each as a share of the highest, and what it counts."""
    edges, heights = measure["edges"], measure["histogram"]
    most = max(heights) or 1
    return [
        (height / most, f"{low:,} to {high - 1:,}: {height:,}")
        for low, high, height in zip(edges, edges[1:], heights, strict=False)
    ]


def find_rejected(summary: Mapping[str, Any]) -> list[Found]:
    """The reasons by which records were rejected, with a few records: their ids, and the whole reason of each."""
    examples: dict[str, list[str]] = {}
    for record in summary["rejected_records"]:
        reason = generalise_reason(record["reason"])
        some = examples.setdefault(reason, [])
        if len(some) < N_EXAMPLES:
            some.append(record["id"] if record["reason"] == reason else f"{record['id']} ({record['reason']})")
    return [Found(reason, explain_reason(reason), n, examples[reason]) for reason, n in summary["rejected"].items()]


def find_flags(summary: Mapping[str, Any], counted: Mapping[str, int], prefix: str = "") -> list[Found]:
    """Flags with a few samples that have them; `prefix` is what the audit left out of their names."""
    return [
        Found(name, explain_flag(prefix + name), number, summary["flagged"][prefix + name][:N_EXAMPLES])
        for name, number in counted.items()
    ]


def listed_ids(summary: Mapping[str, Any]) -> list[str]:
    """The ids of the samples whose pictures the page shows beside pairs, equal drawings and leaks."""
    duplicates, leaks = summary["duplicates"], summary["splits"]["leaks"]
    lists: Iterable[Sequence[Mapping[str, Any]]] = [
        *(pair["samples"] for pair in duplicates["near"][:N_PAIRS]),
        *(group["samples"][:1] for group in duplicates["exact_groups"][:N_GROUPS]),
        *(leak["samples"][:N_MEMBERS] for leak in leaks[:N_LEAKS]),
    ]
    return list(dict.fromkeys(member["id"] for members in lists for member in members))


def write_audit_page(
    path: Path,
    summary: Mapping[str, Any],
    shown: Mapping[str, Shown],
    random_ids: Sequence[str],
    suspicious_ids: Sequence[str],
) -> None:
    """Write the page. `shown` has, by id, the samples at random, the suspicious ones, and those of `listed_ids`."""
    css = read_template("report.css") + read_template("audit.css")
    environment = make_environment()
    environment.filters |= {"bars": bars, "shorten": shorten, "explain": explain_flag}
    captions = {f"caption:{kind}": n for kind, n in summary["captions"]["problems"].items()}
    page = environment.get_template("audit.html.j2").render(
        audit=summary,
        rejected=find_rejected(summary),
        repaired=find_flags(summary, summary["repaired"], "repaired:"),
        removed=find_flags(summary, summary["removed"], "removed:"),
        remarks=find_flags(summary, summary["other_flags"]),
        caption_problems=find_flags(summary, captions),
        shown=shown,
        random_ids=random_ids,
        suspicious_ids=suspicious_ids,
        measures=MEASURES,
        most={
            "kinds": N_KINDS,
            "pairs": N_PAIRS,
            "groups": N_GROUPS,
            "leaks": N_LEAKS,
            "members": N_MEMBERS,
            "shared": N_SHARED,
            "leaked": N_LEAKED,
        },
        css=css,
        policy=content_security_policy(css),
    )
    with write_whole(path) as partial:
        partial.write_text(page, encoding="utf-8")
