"""What metrics by a text encoder share: the types of their settings, and the columns of what the encoder truncates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from core.command import InputError
from scoring.metrics import TRUNCATED, TRUNCATED_REFERENCES, Texts

WORDS = {bool: "true or false", str: "a name", int: "a whole number", float: "a number"}


def check_types(settings: Mapping[str, Any], **types: type) -> None:
    """Raise InputError, `<setting>: <fault>`, for a setting of another type; a whole number is a number, too."""
    for name, wanted in types.items():
        value = settings.get(name)
        kinds = (int, float) if wanted is float else (wanted,)
        # True is an int to Python.
        if value is not None and (not isinstance(value, kinds) or (wanted is not bool and isinstance(value, bool))):
            raise InputError(f"{name}: {value!r} is not {WORDS[wanted]}")


def truncations(texts: Texts, is_truncated: Callable[[str], bool]) -> dict[str, np.ndarray]:
    """The columns `truncated` and `truncated_references`; each different text is looked at once."""
    captions = [caption.caption for caption in texts.captions]
    references = [sample.references for sample in texts.samples]
    too_long = {text: is_truncated(text) for text in {*captions, *(text for group in references for text in group)}}
    return {
        TRUNCATED: np.array([too_long[text] for text in captions], dtype=float),
        TRUNCATED_REFERENCES: np.array([sum(too_long[text] for text in group) for group in references], dtype=float),
    }
