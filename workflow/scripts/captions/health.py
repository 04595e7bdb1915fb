"""What is wrong with a system's captions: flags on each, by rules that need no model but the language detector.

| flag | it means that the caption … |
|---|---|
| empty | has no visible character |
| failure_marker | is a remark in brackets or a word that stands for a failure (`[GENERATION_FAILED]`, `n/a`) |
| cut_at_front | begins in the middle of a sentence |
| cut_at_end | ended at the longest length allowed, or ends in the middle of a sentence |
| refusal | refuses, asks for the picture, or says that an AI writes ("I'm sorry, I can't…") |
| lead_in | begins with its announcement ("Sure! Here is a caption:") |
| prompt_echo | repeats the instruction or question, or holds markers of a chat template |
| control_token | holds a token that is no text (`</s>`, `<eos>`, `<|endoftext|>`) |
| svg_echo | holds SVG code or path data, or nothing but numbers |
| wrong_language | is surely in another language than the references |
| repetition | says the same words three times in a row, or the same sentence three times; also without spaces |
| identical | is also that of many other samples, and none of this sample's references |
| too_short, too_long | is far from the lengths of its references |

Where a system tells how a caption ended (`finish_reason`), that decides what is cut at its end. Otherwise, and for the
front, a system is held to its references' habits: where these begin with capitals (or end with a stop), and the system
uses capitals (or stops) itself, a caption without one is cut. A captioner that writes in lower case is not.

A caption is judged the same whether a model of ours wrote it or a file has it. Of those in a file only
`failure_markers` are failed captions: by these other tools say that they wrote none. Any other remark in brackets is
flagged and scored, since it may be a model's own words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from captions.chat_phrases import begins_with_lead_in, has_chat_marker, has_control_token, is_refusal
from captions.languages import Language, common_language, detect_language
from core.records import Caption, Sample
from core.visible_text import is_blank

FLAGS = {
    "empty": "empty",
    "failure_marker": "failure marker",
    "cut_at_front": "cut at the front",
    "cut_at_end": "cut at the end",
    "refusal": "refusal",
    "lead_in": "lead-in before the caption",
    "prompt_echo": "prompt echoed",
    "control_token": "leftover control tokens",
    "svg_echo": "SVG echoed",
    "wrong_language": "wrong language",
    "repetition": "repetition loop",
    "identical": "identical for many samples",
    "too_short": "far shorter than the references",
    "too_long": "far longer than the references",
}

# A habit of the references is what this share of them does; one of a system, what this share of its captions does.
REFERENCES_SHARE, SYSTEM_SHARE = 0.8, 0.5
# A loop has at least so many rounds and words; its longest unit in words.
LOOP_ROUNDS, LOOP_WORDS, LOOP_UNIT = 3, 6, 30
# The same in characters, of scripts that have no spaces: 哈哈哈哈 and 一个一个一个 are no loops.
LOOP_CHARACTERS, LOOP_UNIT_CHARACTERS = 12, 60
SENTENCE_WORDS = 4  # shorter sentences may well be repeated
IDENTICAL_SAMPLES = 3  # fewer never count as many
PROMPT_WORDS = 3  # a shorter instruction may well be part of a caption

_REMARK = re.compile(r"\[[^\]]*\]|<[^<>]*>|\{[^}]*\}")
_BRACKETS = " .[]<>{}()"
# Letters of Thai, Lao, Tibetan, Burmese, Khmer, Japanese and Chinese.
_UNSPACED = re.compile(
    "[\u0e01-\u0e4e\u0e81-\u0ecd\u0f40-\u0fbc\u1000-\u109f\u1780-\u17d3\u3041-\u309f\u30a1-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]"
)
_SVG_CODE = re.compile(
    r"</?(?:svg|path|g|rect|circle|ellipse|line|polyline|polygon|defs|use|text|style)\b[^<>]*>"
    r"|\b(?:style|fill|stroke|points|viewBox)\s*=\s*[\"'\w#]|\b(?:fill|stroke)\s*:\s*(?:#|\d|rgb|none\b)"
    r"|\bd\s*=\s*[\"']?[Mm][\s\d-]"
)
_PATH_DATA = re.compile(r"[MLHVCSQTA]-?[\d.]+,-?[\d.]+|(?:[MLHVCSQTAmlhvcsqta][\s,]?-?\d[\d\s.,-]*[Zz]?){3,}")
_SENTENCE_END = re.compile(r"[.!?。！？]")
_CLOSED = tuple(".!?。！？…\"'”’)]:;*")


@dataclass(frozen=True)
class HealthSettings:
    """The configuration's `health`, which describes each."""

    language: str | None = None
    min_language_probability: float = 0.7
    failure_markers: list[str] = field(default_factory=list)
    identical_share: float = 0.05
    shortest: float = 0.2
    longest: float = 5.0
    max_rates: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """What was found on one caption. No language where there is no text."""

    flags: list[str]
    language: Language | None
    n_words: int
    length_ratio: float | None  # words over the mean number of words of the references


@dataclass(frozen=True)
class Habits:
    """What the captions of this system are compared with."""

    capital_first: bool
    stop_last: bool
    language: str | None
    frequent: frozenset[str]  # captions, as words, of many samples


def diagnose(
    captions: Sequence[Caption], samples: Sequence[Sample], instruction: str, settings: HealthSettings
) -> tuple[list[Diagnosis], str | None]:
    """A diagnosis of each caption, in order, and the language that is expected, None where the references tell none.

    What was asked is the question of a sample that has one.
    """
    habits = find_habits(captions, samples, settings)
    instruction_words = words_of(instruction)
    return [
        diagnose_caption(
            caption, sample, habits, words_of(sample.question) if sample.question else instruction_words, settings
        )
        for caption, sample in zip(captions, samples, strict=True)
    ], habits.language


def find_habits(captions: Sequence[Caption], samples: Sequence[Sample], settings: HealthSettings) -> Habits:
    """The habits that references and captions share, the expected language, and the frequent captions."""
    references = [text for sample in samples for text in sample.references]
    texts = [caption.caption.strip() for caption in captions if caption.caption.strip()]
    capitals = share_of(any(letter.isupper() for letter in text) for text in texts)
    stops = share_of(bool(_SENTENCE_END.search(text)) for text in texts)
    return Habits(
        capital_first=share_of(text[0].isupper() for text in references) >= REFERENCES_SHARE
        and capitals >= SYSTEM_SHARE,
        stop_last=share_of(text.endswith(_CLOSED) for text in references) >= REFERENCES_SHARE and stops >= SYSTEM_SHARE,
        language=settings.language or common_language(references, settings.min_language_probability),
        frequent=find_frequent(captions, samples, settings.identical_share),
    )


def share_of(values: Iterable[bool]) -> float:
    """The share of true values; 0 if there are none."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0


def find_frequent(captions: Sequence[Caption], samples: Sequence[Sample], identical_share: float) -> frozenset[str]:
    """Captions of more than that share of the samples, not counted where they are a reference."""
    counts = Counter(
        " ".join(words_of(caption.caption))
        for caption, sample in zip(captions, samples, strict=True)
        if caption.caption.strip() and not is_reference(caption.caption, sample)
    )
    fewest = max(IDENTICAL_SAMPLES, identical_share * len(samples))
    return frozenset(text for text, n in counts.items() if n >= fewest)


def is_reference(text: str, sample: Sample) -> bool:
    """Whether a caption has the words of one of the sample's references."""
    words = words_of(text)
    return any(words == words_of(reference) for reference in sample.references)


def diagnose_caption(
    caption: Caption, sample: Sample, habits: Habits, instruction: list[str], settings: HealthSettings
) -> Diagnosis:
    """All flags of one caption. An empty one has no other."""
    text = caption.caption.strip()
    if is_blank(text):
        return Diagnosis(["empty"], None, 0, None)
    words = words_of(text)
    lengths = [len(reference.split()) for reference in sample.references]
    n_words = len(text.split())
    language = detect_language(text)
    found = {
        "failure_marker": is_failure_marker(text, settings.failure_markers),
        "cut_at_front": habits.capital_first and is_cut_at_front(text),
        "cut_at_end": is_cut_at_end(caption.finish_reason, text, habits.stop_last),
        "refusal": is_refusal(text),
        "lead_in": begins_with_lead_in(text),
        "prompt_echo": echoes_prompt(text, words, instruction),
        "control_token": has_control_token(text),
        "svg_echo": echoes_svg(text),
        "wrong_language": bool(habits.language)
        and language.code != habits.language
        and language.probability >= settings.min_language_probability,
        "repetition": loops(words) or loops_without_spaces(text) or repeats_sentence(text),
        "identical": " ".join(words) in habits.frequent and not is_reference(text, sample),
        "too_short": n_words < settings.shortest * min(lengths),
        "too_long": n_words > settings.longest * max(lengths),
    }
    return Diagnosis(
        [name for name in FLAGS if found.get(name)], language, n_words, n_words / (sum(lengths) / len(lengths))
    )


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return re.findall(r"\w+", text.casefold())


def is_failure_marker(text: str, markers: Sequence[str]) -> bool:
    """Whether a text is nothing but a remark in brackets, or says by a marker that there is no caption."""
    return bool(_REMARK.fullmatch(text.strip())) or is_marker(text, markers)


def is_marker(text: str, markers: Sequence[str]) -> bool:
    """Whether a text is nothing but a marker, or holds one in square brackets."""
    bare = text.strip().casefold()
    known = [marker.casefold().strip(_BRACKETS) for marker in markers]
    return bare.strip(_BRACKETS) in known or any(f"[{marker}]" in bare for marker in known)


def is_cut_at_front(text: str) -> bool:
    """Whether a text begins with a small letter or with what can only follow something."""
    return text[0].islower() or text[0] in ".,;:!?)]}"


def is_cut_at_end(finish_reason: str, text: str, stop_last: bool) -> bool:
    """Whether a caption was cut at the token limit; if unknown, whether it lacks the final stop that others have."""
    return finish_reason == "length" if finish_reason else stop_last and not text.endswith(_CLOSED)


def echoes_prompt(text: str, words: Sequence[str], instruction: Sequence[str]) -> bool:
    """Whether a text holds the instruction word by word, or a marker of a chat template."""
    whole = len(instruction) >= PROMPT_WORDS and f" {' '.join(instruction)} " in f" {' '.join(words)} "
    return whole or has_chat_marker(text)


def echoes_svg(text: str) -> bool:
    """Whether a text holds SVG code or path data, or has numbers and no letter at all."""
    numbers_only = not any(map(str.isalpha, text)) and any(map(str.isdigit, text))
    return numbers_only or bool(_SVG_CODE.search(text) or _PATH_DATA.search(text))


def loops_without_spaces(text: str) -> bool:
    """Whether a text goes round in a script that has no spaces, by which words could be told."""
    return loops(_UNSPACED.findall(text), LOOP_CHARACTERS, LOOP_UNIT_CHARACTERS)


def loops(words: Sequence[str], fewest: int = LOOP_WORDS, longest_unit: int = LOOP_UNIT) -> bool:
    """Whether some words (or characters) stand LOOP_ROUNDS times in a row, `fewest` or more together."""
    for unit in range(1, min(longest_unit, len(words) // LOOP_ROUNDS) + 1):
        needed = max(fewest, LOOP_ROUNDS * unit) - unit
        run = 0
        for place in range(unit, len(words)):
            run = run + 1 if words[place] == words[place - unit] else 0
            if run >= needed:
                return True
    return False


def repeats_sentence(text: str) -> bool:
    """Whether a sentence of SENTENCE_WORDS words or more stands LOOP_ROUNDS times in a text."""
    sentences = [tuple(words_of(sentence)) for sentence in re.split(r"[.!?]\s|\n", text)]
    counts = Counter(sentence for sentence in sentences if len(sentence) >= SENTENCE_WORDS)
    return max(counts.values(), default=0) >= LOOP_ROUNDS
