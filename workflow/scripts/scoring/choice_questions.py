"""Multiple-choice questions about drawings, read from a file of the user's.

    {"id": "cat-17", "question": "What colour is it?", "options": ["red", "tan"], "answer": "red", "subject": "colour"}

A file is JSON lines, a JSON array, CSV, TSV or Parquet; a field map gives other names. `options` may be several fields,
one an option. In a table of texts, one cell holds them as a JSON list, or separated by `|`. `answer` is the option's
text, its capital letter (A is the first), or a JSON number, its place from 0; where two of these say different options,
the row is refused.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.command import InputError
from core.hints import propose_name
from core.identity import canonical_json
from readers.entries import unpack_list
from readers.fields import as_text
from readers.folder import read_placed
from readers.formats import BrokenEntry

FIELDS = ("id", "question", "options", "answer")
SUBJECT = "subject"  # a field that a row may lack
LETTERS = string.ascii_uppercase
SEPARATOR = "|"


@dataclass(frozen=True)
class ChoiceQuestion:
    """A question about the drawing of that id; `answer` is the right one's place among the options."""

    id: str
    question: str
    options: tuple[str, ...]
    answer: int
    subject: str = ""

    def ordered(self, turn: int = 0) -> list[int]:
        """The places of the options in the order in which they are shown.

        The order is that of digests of id, question and option: drawn for each question, alike for all systems, in
        every experiment and version. `turn` moves it on by so many places.
        """
        order = sorted(range(len(self.options)), key=lambda place: self._digest(self.options[place]))
        turn %= len(order)
        return order[turn:] + order[:turn]

    def _digest(self, option: str) -> str:
        return hashlib.sha256("\0".join((self.id, self.question, option)).encode()).hexdigest()


@dataclass(frozen=True)
class QuestionFile:
    """The questions of a file in its order."""

    questions: tuple[ChoiceQuestion, ...]
    by_id: Mapping[str, tuple[ChoiceQuestion, ...]] = field(init=False)

    def __post_init__(self) -> None:
        found: dict[str, tuple[ChoiceQuestion, ...]] = {}
        for one in self.questions:
            found[one.id] = (*found.get(one.id, ()), one)
        object.__setattr__(self, "by_id", found)

    @property
    def digest(self) -> str:
        """The digest of the questions, whatever the file's format and the names of its fields."""
        return hashlib.sha256(canonical_json([asdict(one) for one in self.questions]).encode()).hexdigest()

    @property
    def facts(self) -> dict[str, str]:
        """What a signature says of them."""
        counts = {len(one.options) for one in self.questions}
        options = str(min(counts)) if len(counts) == 1 else f"{min(counts)}-{max(counts)}"
        return {"questions": self.digest[:12], "options": options}


def read_questions(path: Path, names: Mapping[str, str | list[str]]) -> QuestionFile:
    """The questions of a file; `names` gives fields other names. Raises InputError for the first row that is none."""
    found: dict[tuple[str, str], str] = {}  # the place of each question of a drawing
    questions = []
    for place, entry in read_placed(path):
        if isinstance(entry, BrokenEntry):
            raise InputError(f"{path}, {entry.fault}; correct it")
        where = f"{path}, {place}"
        one = read_row(where, entry, names)
        key = one.id, one.question.casefold()
        if key in found:
            raise InputError(
                f"{where}: {one.id!r} is asked {one.question!r} already, in {found[key]}; keep one of them"
            )
        found[key] = place
        questions.append(one)
    if not questions:
        raise InputError(f"{path} holds no question; give it rows of {', '.join(FIELDS)}")
    return QuestionFile(tuple(questions))


def read_row(where: str, row: Mapping[str, Any], names: Mapping[str, str | list[str]]) -> ChoiceQuestion:
    """The question of a row. Raises InputError where a field is missing or empty, or the answer is no option."""
    for key in FIELDS:
        for name in as_names(names.get(key, key)):
            if name not in row:
                raise InputError(
                    f"{where}: no field {name!r}; {propose_name(name, map(str, row))} Other names go under "
                    "metric_options.caption_qa.questions.fields"
                )
    texts = {key: fold(row[str(names.get(key, key))]) for key in ("id", "question")}
    for key, text in texts.items():
        if not text:
            raise InputError(f"{where}: its {key} is empty; fill it in, or remove the row")
    options = read_options(where, row, names.get("options", "options"))
    return ChoiceQuestion(
        **texts,
        options=options,
        answer=read_answer(where, row[str(names.get("answer", "answer"))], options),
        subject=fold(row.get(str(names.get(SUBJECT, SUBJECT)))),
    )


def fold(value: Any) -> str:
    """A value as one line of text; empty for none."""
    return "" if value is None else " ".join(as_text(value).split())


def as_names(names: str | list[str]) -> list[str]:
    return names if isinstance(names, list) else [names]


def read_options(where: str, row: Mapping[str, Any], names: str | list[str]) -> tuple[str, ...]:
    """The options of a row: two or more texts that differ, also without regard to case. Raises InputError otherwise."""
    if isinstance(names, list):
        cells = [row[name] for name in names if row[name] not in (None, "")]  # questions may have fewer than others
    else:
        cell = row[names]
        is_plain = isinstance(cell, str) and not cell.lstrip().startswith("[")
        cells = cell.split(SEPARATOR) if is_plain else unpack_list(cell)
    for one in cells:
        if not isinstance(one, str):
            raise InputError(f"{where}: the option {one!r} is no text; write it in quotes")
    options = tuple(map(fold, cells))
    if not 2 <= len(options) <= len(LETTERS):
        raise InputError(
            f"{where}: {len(options)} options ({', '.join(options)}); give 2 to {len(LETTERS)}, as a list of texts, or "
            f"in one text separated by {SEPARATOR}"
        )
    seen: dict[str, str] = {}
    for option in options:
        if not option:
            raise InputError(f"{where}: an option is empty; fill it in, or remove it")
        if option.casefold() in seen:
            raise InputError(f"{where}: the option {option!r} is there twice; change or remove one")
        seen[option.casefold()] = option
    return options


def read_answer(where: str, value: Any, options: tuple[str, ...]) -> int:
    """The place of the right option. Raises InputError where the answer is none, or may be two of them."""
    found = dict(answers_of(value, options))
    if not found:
        raise InputError(
            f"{where}: the answer {value!r} is none of the options ({', '.join(options)}); give an option's text, its "
            "letter, or its place from 0 as a number"
        )
    if len(set(found.values())) > 1:
        said = " and ".join(f"by {way} {options[place]!r}" for way, place in found.items())
        raise InputError(f"{where}: the answer {value!r} is {said}; change it or the options so that it is one of them")
    return next(iter(found.values()))


def answers_of(value: Any, options: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """What an answer may mean: the way in which it is read, and the option's place."""
    text = fold(value)
    folded = [option.casefold() for option in options]
    if text.casefold() in folded:
        yield "its text", folded.index(text.casefold())
    if len(text) == 1 and text in LETTERS[: len(options)]:
        yield "its letter", LETTERS.index(text)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(options):
        yield "its place", value
