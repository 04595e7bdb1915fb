"""How systems use the data: whether they were trained on it, and what they read of a drawing.

A score of a system that was trained on this data against that of one that was not compares two tasks. So tables, charts
and sentences say of each system on which side it is. What nobody said is unknown: it is shown as such, not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INPUTS = ("code", "image", "both", "none")
_CODES = {True: "yes", False: "no", None: "unknown"}
TRAINED_WORDS = {"yes": "trained on this data", "no": "not trained on this data", "unknown": "training unknown"}
INPUT_WORDS = {
    "code": "reads code",
    "image": "reads the image",
    "both": "reads code and image",
    "none": "reads no drawing",
    "unknown": "input unknown",
}
# Short enough for the first column of the printed table.
_SHORT_TRAINED = {"yes": "trained", "no": "not trained", "unknown": "trained?"}
_SHORT_INPUT = {"code": "code", "image": "image", "both": "code + image", "none": "no input", "unknown": "input?"}


def check_use(trained: Any, reads: Any) -> None:
    """Raise ValueError where `trained` or `reads` (the input) is nothing that `comparison.json` can hold."""
    if trained is not None and not isinstance(trained, bool):
        raise ValueError(f"trained is true, false or null, not {trained!r}")
    if reads is not None and reads not in INPUTS:
        raise ValueError(f"input is {', '.join(INPUTS)} or null, not {reads!r}")


def find_shared(systems: Mapping[str, Mapping[str, Any]]) -> set[tuple[str, str]]:
    """System and metric where the system captions with the metric's own model: its score there is no win."""
    return {(name, metric) for name, entry in systems.items() for metric in entry.get("shares_model", [])}


def use_codes(trained: bool | None, reads: str | None) -> dict[str, str]:
    """`trained` (yes, no, unknown) and `input` (code, image, both, none, unknown), as tables for programs hold them."""
    return {"trained": _CODES[trained], "input": reads or "unknown"}


def describe_use(trained: bool | None, reads: str | None) -> str:
    """`trained on this data, reads code`."""
    codes = use_codes(trained, reads)
    return f"{TRAINED_WORDS[codes['trained']]}, {INPUT_WORDS[codes['input']]}"


def describe_use_shortly(trained: bool | None, reads: str | None) -> str:
    """`trained, code`."""
    codes = use_codes(trained, reads)
    return f"{_SHORT_TRAINED[codes['trained']]}, {_SHORT_INPUT[codes['input']]}"
