"""Checks of reference captions: each fault found is counted, and by setting a reason to drop the reference.

| kind     | the caption …                                                                       |
|----------|-------------------------------------------------------------------------------------|
| junk     | says nothing (`The image depicts .`), is a marker, a file name, an address, code, SVG, a |
|          | step of an answer, a refusal, or says a sentence twice                                |
| cut_off  | ends in the middle of a sentence that others of its kind would end                     |
| language | is surely in another language than `language`                                          |
| long     | has more words than `max_words`                                                        |
| common   | is that of more than `max_drawings` drawings (found where all samples are known)       |

Each becomes the flag `caption:<kind>` of its sample.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from captions.chat_phrases import is_refusal
from captions.health import echoes_svg, is_cut_at_front, loops, words_of
from captions.languages import detect_language, languages_of_script

KINDS = ("junk", "cut_off", "language", "long", "common")
# Words that frame a caption and say nothing of its drawing.
_FRAME = """
a an the this that it is are of in on with and here image picture drawing icon svg graphic illustration photo depicts
depict shows show showing displays features contains represents there
"""
FRAME = frozenset(_FRAME.split())
LANGUAGE_WORDS = 5  # of fewer nobody can tell the language
SENTENCE_WORDS = 8  # a caption as long as that is a sentence, not a name
TWICE_WORDS = 3  # a sentence as long as that is not said twice in a row on purpose
SHARE_OF_LETTERS = 0.4
MAX_FILE_WORDS = 6  # of a file name, as of macOS' "Screen Shot 2024-01-31 at 10.00.00 AM.png"
# Words of a caption that ends in the name of a file and is none itself ("a page with the name cat.svg").
_TELLING = """
a an the that this with of for to from named name called labelled labeled titled title file says saying reads reading
text word words
"""
TELLING = frozenset(_TELLING.split())

_MARKER = re.compile(r"\[[A-Z_ ]+\]|<[^<>]*>|n/?a|none|null|nan|todo|error|untitled(?:[ _-]?\d+)?", re.IGNORECASE)
_CODE = re.compile(
    r"```|(?:^|\s)(?:import [\w.]+(?: as \w+)?\s*$|from \w+ import|def \w+\(|print\(|console\.log|#include"
    r"|function\s*\w*\(|for \w+ in \w+\([^)]*\):|[A-Za-z_]\w*(?:\.\w+)+\([^)]*\);?\s*$)"
)
_FILE = r"\S\.(?:svg|png|jpe?g|gif|webp|pdf)"
_FILE_OR_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|(?<!\S)\S*" + _FILE + r"(?!\S)", re.IGNORECASE)
_FILE_NAME = re.compile(rf"(?:\S+ ){{0,{MAX_FILE_WORDS - 1}}}\S*{_FILE}", re.IGNORECASE)
_STEP = re.compile(r"\bstep \d+\s*[:.]", re.IGNORECASE)
_ENDED = tuple(".!?。！？…\"'”’)]:;*")
_OPEN_END = re.compile(r"(?:\b(?:a|an|the|of|and|or|with|which|that|to|in|on|is|are|its|their)|[,(“])\s*$")


@dataclass(frozen=True)
class ReferenceChecks:
    """The configuration's `dataset.captions`, which describes each."""

    drop: list[str] = field(default_factory=lambda: ["junk"])
    language: str | None = "en"
    min_language_probability: float = 0.9
    max_words: int = 200
    max_drawings: int = 50


def check_reference(text: str, checks: ReferenceChecks) -> list[str]:
    """The kinds of faults of a single caption."""
    n_words = len(text.split())
    found = {
        "junk": is_junk(text),
        "cut_off": is_cut_off(text),
        "language": is_foreign(text, checks),
        "long": n_words > checks.max_words,
    }
    return [kind for kind in KINDS if found.get(kind)]


def is_junk(text: str) -> bool:
    """Whether a text is no caption: nothing but a frame, a file name or an address, a marker, code, SVG, a step of an
    answer, a refusal, a sentence said twice, or a loop of words.
    """
    words = re.findall(r"\w+", text.lower())
    said = re.findall(r"\w+", _FILE_OR_ADDRESS.sub(" ", text.lower()))
    letters = sum(character.isalpha() for character in text)
    return (
        not set(said) - FRAME
        or bool(_MARKER.fullmatch(text.strip()))
        or (bool(_FILE_NAME.fullmatch(text.strip())) and not set(words) & TELLING)
        or any(pattern.search(text) for pattern in (_CODE, _STEP))
        or is_refusal(text)
        or letters < SHARE_OF_LETTERS * len(text.replace(" ", ""))
        or echoes_svg(text)
        or loops(words)
        or says_twice(text)
    )


def says_twice(text: str) -> bool:
    """Whether a sentence of some words comes twice in a row."""
    sentences = [words_of(sentence) for sentence in re.split(r"[.!?。！？]\s*|\n", text)]
    return any(len(one) >= TWICE_WORDS and one == other for one, other in itertools.pairwise(filter(None, sentences)))


def is_cut_off(text: str) -> bool:
    """Whether a caption begins or ends in the middle of a sentence: an open end, or a long text without a stop."""
    sentence = len(text.split()) >= SENTENCE_WORDS and bool(re.search(r"[.!?]\s", text))
    cut_end = bool(_OPEN_END.search(text)) or (sentence and not text.rstrip().endswith(_ENDED))
    return (
        cut_end
        or (sentence and is_cut_at_front(text))
        or text.count("(") > text.count(")")
        or (sentence and text.count('"') % 2 == 1)
    )


def is_foreign(text: str, checks: ReferenceChecks) -> bool:
    """Whether a caption is surely in another language; for a few words only the script decides."""
    if checks.language is None:
        return False
    languages = languages_of_script(text)
    if languages:
        return checks.language not in languages
    if len(text.split()) < LANGUAGE_WORDS:
        return False
    language = detect_language(text)
    return language.code != checks.language and language.probability >= checks.min_language_probability


def keep_references(references: Sequence[str], checks: ReferenceChecks) -> tuple[list[str], set[str]]:
    """The references that are kept, and the kinds of all faults found."""
    found = {reference: check_reference(reference, checks) for reference in references}
    kept = [reference for reference in references if not set(found[reference]) & set(checks.drop)]
    return kept, {kind for kinds in found.values() for kind in kinds}
