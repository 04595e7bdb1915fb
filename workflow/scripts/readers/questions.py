"""What a row asks about its drawing: the question alone, and the drawing that stands inside it or in an earlier turn.

A question of a benchmark may hold the code of its drawing ("What does this show? <svg …>"). The prompt has the code
behind the question anyway, so it is taken out. In a conversation the drawing is the first SVG that any turn holds; the
caption is the answer after it that is no SVG itself, and the question what was asked for that answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from readers.fields import Fields, find_field
from svg.text_repairs import find_drawing

ANSWERING = ("gpt", "assistant", "model", "bot")
ROLES, TEXTS = ("role", "from"), ("content", "value")
# What is left around a drawing that was taken out, and what stands for a picture.
_BEGIN, _END = re.compile(r"<(?:[\w.-]+:)?svg\b"), re.compile(r"</(?:[\w.-]+:)?svg\b")
_LEFT_OVER = re.compile(r"```\w*\s*```|<image>")


@dataclass(frozen=True)
class Asked:
    """What a row asks. `drawing` is None where the row has it in a field of its own, and so is `caption`."""

    question: str
    drawing: str | None = None
    caption: str | None = None
    fault: str = ""  # why there is no drawing


def read_asked(entry: dict[str, Any], fields: Fields) -> Asked:
    """What an entry asks, by the fields `question`, or `turns` of a conversation; nothing where neither is named."""
    if "turns" in fields:
        return read_conversation(find_turns(entry, fields))
    if "question" not in fields:
        return Asked("")
    value = find_field(entry, "question", fields)
    question, drawing = split_question(value) if isinstance(value, str) else ("", "")
    if fields.get("drawing") == fields["question"]:
        return Asked(question, drawing, fault="" if drawing else f"no SVG in its field {fields['question']}")
    return Asked(question, drawing if drawing and not find_field(entry, "drawing", fields) else None)


def split_question(text: str) -> tuple[str, str]:
    """A question without the drawing inside it, white space folded, and that drawing; empty where there is none.

    Tags that are not ended are words of the question ("What does this <svg> show?").
    """
    found = find_drawing(text)
    drawing, rest = "", text
    if found:
        begins = [tag.start() for tag in _BEGIN.finditer(text, found.start(), found.end())]
        n_ends = len(_END.findall(found[0]))
        start = begins[max(0, len(begins) - n_ends)] if n_ends else begins[0]
        drawing, rest = text[start : found.end()], f"{text[:start]} {text[found.end() :]}"
    return " ".join(_LEFT_OVER.sub(" ", rest).split()), drawing


def find_turns(entry: dict[str, Any], fields: Fields) -> list[tuple[bool, str]]:
    """The turns of a conversation: whether it is an answer, and its text. The first field that holds a list counts."""
    names = [fields["turns"]] if isinstance(fields["turns"], str) else fields["turns"]
    lists = (entry[name] for name in names if isinstance(entry.get(name), list))
    turns = (turn for turn in next(lists, []) if isinstance(turn, dict))
    return [(first_text(turn, ROLES).lower() in ANSWERING, first_text(turn, TEXTS)) for turn in turns]


def first_text(turn: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((turn[name] for name in names if isinstance(turn.get(name), str)), "")


def read_conversation(turns: list[tuple[bool, str]]) -> Asked:
    """What a conversation asks about its first drawing, and the answer."""
    drawing = question = ""
    for is_answer, text in turns:
        rest, found = split_question(text)
        if drawing and is_answer and not found:
            return Asked(question, drawing, " ".join(text.split()))
        drawing = drawing or found
        question = question if is_answer else rest
    return Asked(question, drawing, "", "" if drawing else "no SVG in its turns")
