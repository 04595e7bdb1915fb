"""The page of an audit of a dataset: numbers, and drawings with their pictures; no script, nothing from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.command import write_whole
from core.records import Image, Sample
from report.page import content_security_policy, make_environment, read_template

# Lengths of the audit → words.
MEASURES = {
    "tokens": "tokens of the drawing",
    "characters": "characters of the drawing",
    "shapes": "shapes",
    "caption_words": "words per caption",
}
MAX_TEXT = 300  # characters of a caption or question that are shown


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

    @property
    def captions(self) -> list[str]:
        return [shorten(text) for text in self.sample.references]

    @property
    def question(self) -> str:
        return shorten(self.sample.question)


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


def write_audit_page(
    path: Path, summary: Mapping[str, Any], random_ones: Sequence[Shown], suspicious: Sequence[Shown]
) -> None:
    """Write the page."""
    css = read_template("report.css") + read_template("audit.css")
    environment = make_environment()
    environment.filters["bars"] = bars
    page = environment.get_template("audit.html.j2").render(
        audit=summary,
        random_ones=random_ones,
        suspicious=suspicious,
        measures=MEASURES,
        css=css,
        policy=content_security_policy(css),
    )
    with write_whole(path) as partial:
        partial.write_text(page, encoding="utf-8")
