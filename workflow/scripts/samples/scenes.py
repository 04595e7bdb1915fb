"""The facts of a generated scene and the captions that state them: writing captions and reading them back.

A scene is two to four coloured shapes in a row (left to right) or a column (top to bottom). Its captions state every
shape, its colour, its size and the order. `parse_caption` reads any of these wordings back into the same
facts, so that a caption is right or wrong whatever its wording: "a red circle left of a blue square" equals
"a blue square to the right of a red circle".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# No black: it is the default paint, which a shape does not state.
COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "brown")
SHAPES = ("circle", "square", "triangle")


@dataclass(frozen=True)
class Thing:
    """One shape of a scene."""

    shape: str
    colour: str
    large: bool

    def words(self) -> str:
        """The shape with its article: "a large red circle"."""
        return f"a {'large' if self.large else 'small'} {self.colour} {self.shape}"


@dataclass(frozen=True)
class Facts:
    """What a scene shows: its things from left to right (a row) or from top to bottom (a column)."""

    row: bool
    things: tuple[Thing, ...]


# Words between two things, and for each: is it a row, and does the first thing come first?
RELATIONS = {
    "left of": (True, True),
    "to the left of": (True, True),
    "right of": (True, False),
    "to the right of": (True, False),
    "above": (False, True),
    "over": (False, True),
    "below": (False, False),
    "under": (False, False),
}
# Words that order a list of things.
ORDERS = {
    "from left to right": (True, True),
    "from right to left": (True, False),
    "from top to bottom": (False, True),
    "from bottom to top": (False, False),
}

_THING = re.compile(
    rf"(?:(?:an?|the|one) )?(?:(?P<large>large|big)|small|little) (?P<colour>{'|'.join(COLOURS)}) "
    rf"(?P<shape>{'|'.join(SHAPES)})"
)
_LIST = re.compile(r",? and |, ")


def write_captions(facts: Facts) -> list[str]:
    """The captions of a scene, each exact, in two wordings; things come from left to right or from top to bottom."""
    wordings = RELATIONS if len(facts.things) == 2 else ORDERS
    things = [thing.words() for thing in facts.things]
    fitting = [words for words, order in wordings.items() if order == (facts.row, True)]
    return [caption for words in fitting for caption in _word_captions(words, things)]


def _word_captions(words: str, things: list[str]) -> list[str]:
    if words in RELATIONS:
        return [f"{things[0]} {words} {things[1]}"]
    listed = f"{', '.join(things[:-1])} and {things[-1]}"
    return [f"{listed} {words}", f"{words}: {listed}"]


def parse_caption(caption: str) -> Facts | None:
    """The facts that a caption states, or None where it is no caption of a scene."""
    text = " ".join(caption.lower().split()).rstrip(".!")
    for words, (row, forward) in sorted(RELATIONS.items(), key=lambda item: -len(item[0])):
        parts = text.split(f" {words} ")
        if len(parts) == 2:
            return _facts(parts, row, forward)
    for words, (row, forward) in ORDERS.items():
        if text.endswith(f" {words}"):
            return _facts(_LIST.split(text.removesuffix(f" {words}").rstrip(",")), row, forward)
        if text.startswith(words):
            return _facts(_LIST.split(text.removeprefix(words).lstrip(":, ")), row, forward)
    return None


def _facts(parts: list[str], row: bool, forward: bool) -> Facts | None:
    matches = [_THING.fullmatch(part.strip()) for part in parts]
    things = [Thing(m["shape"], m["colour"], bool(m["large"])) for m in matches if m]
    if len(things) != len(parts) or len(things) < 2:
        return None
    return Facts(row, tuple(things if forward else things[::-1]))
