"""What the HTML pages share: templates with autoescape, a content security policy, numbers for people."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
import yaml

from core.command import format_duration
from models.sources import readable_size
from report.comparison import Value
from report.words import join_words

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


def read_template(name: str) -> str:
    """The text of a style sheet or script."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def make_environment() -> jinja2.Environment:
    """Templates that escape every text and refuse names that nobody gave."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_number,
        "score": format_score,
        "percentages": format_percentages,
        "decimals": format_decimals,
        "interval": format_ends,
        "duration": format_duration,
        "size": readable_size,
        "data_uri": data_uri,
        "safe_url": safe_url,
        "words": join_words,
    }
    return environment


def content_security_policy(css: str, javascript: str | None = None) -> str:
    """Only this style, this script (none at all without one), and images in data URIs; no network at all."""
    scripts = f"'{_digest(javascript)}'" if javascript is not None else "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(css)}'; script-src {scripts}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def format_number(value: Any) -> str:
    """A number as a person reads it; other things as text."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def format_score(score: float, value: Value) -> str:
    """A score with the decimals of its value."""
    return f"{score:.{decimals_of(value)}f}"


def format_percentages(ends: tuple[float | None, float | None]) -> str:
    """` (1.2–10.6%)`, the interval of a share; nothing where there is none."""
    low, high = ends
    return "" if low is None or high is None else f" ({100 * low:.1f}–{high:.1%})"


def format_decimals(number: float | None) -> str:
    """Two decimals; a dash where there is no number."""
    return "–" if number is None else f"{number:.2f}"


def format_ends(record: Mapping[str, Any]) -> str:
    """`[0.12, 0.34]`: `low` and `high` of a record; nothing where there is no interval."""
    low, high = record["low"], record["high"]
    return "" if low is None or high is None else f"[{low:.2f}, {high:.2f}]"


def decimals_of(value: Value) -> int:
    """Decimals with which a value is shown, so that a hundredth of its range is visible."""
    return 2 if value.range[1] - value.range[0] > 10 else 3


def as_yaml(configuration: Any) -> str:
    """The configuration as it would stand in a file; empty where none was recorded."""
    return yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True, width=100) if configuration else ""


def data_uri(svg: bytes) -> str:
    """An SVG file for the source of an image: nothing in it can run, or ask for anything."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def safe_url(url: str | None) -> str:
    """A link to the web, or nothing: other schemes could run code."""
    return url if url and urlsplit(url).scheme in ("https", "http") else ""
