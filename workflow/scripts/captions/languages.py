"""Language identification with probabilities by py3langid, whose model comes with the package (no network)."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

# More text than this does not make the result for a whole corpus more certain.
MAX_CHARACTERS = 200_000

# Scripts that are written without spaces, and their languages.
KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
SCRIPTS = {
    KANA: frozenset({"ja"}),
    re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"): frozenset({"zh", "ja"}),
    re.compile("[\u0e01-\u0e30\u0e40-\u0e46]"): frozenset({"th"}),
}


@dataclass(frozen=True)
class Language:
    """The likeliest language as an ISO 639 code, and its probability; it is low for a few words."""

    code: str
    probability: float


def detector_name() -> str:
    """The detector with its version, for the record."""
    return f"py3langid {metadata.version('py3langid')}"


def detect_language(text: str) -> Language:
    """The language of a text."""
    code, probability = _load_detector().classify(text)
    return Language(code, float(probability))


def languages_of_script(text: str) -> frozenset[str]:
    """The languages of the script that most letters are of, where it has no spaces by which to count words; else none.

    Characters alone are Chinese or Japanese, some kana among them make them Japanese.
    """
    n_letters = sum(character.isalpha() for character in text)
    found = {script: len(script.findall(text)) for script in SCRIPTS}
    if sum(found.values()) * 2 <= n_letters:
        return frozenset()
    if found[KANA]:
        return SCRIPTS[KANA]
    return SCRIPTS[max(found, key=found.__getitem__)]


def common_language(texts: Sequence[str], min_probability: float) -> str | None:
    """The language of all texts together; None if its probability is below `min_probability`."""
    language = detect_language(" ".join(texts)[:MAX_CHARACTERS])
    return language.code if language.probability >= min_probability else None


@functools.cache
def _load_detector() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
