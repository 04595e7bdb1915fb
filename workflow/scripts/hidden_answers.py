"""The answer must not hide in the question: words of a sample's references in the names and texts of its drawing.

Ids, class names, editor labels, titles and drawn text are words of a drawing; names of elements, attributes, keywords
and colours are its language and no answer, though a caption may have them as well.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from PIL.ImageColor import colormap

MIN_LETTERS = 3
# Words too frequent to give an answer away.
_FREQUENT = """
the and with for from that this are was has have its his her their they which who one two three four five six out into
over under near between above below left right top bottom center middle side small large big image picture drawing icon
shows show showing depicts depict depicting design simple background shape shapes each other there appears being not all
some can also set more than very
"""
# The language of SVG and of the headers that editors write.
_LANGUAGE = """
svg xml xmlns http https www org xlink href defs symbol use style title desc metadata script path rect circle ellipse
line polyline polygon text tspan image switch stop gradient linear radial pattern mask clip filter marker view box width
height fill stroke rule opacity transform matrix translate scale rotate skew font family size weight anchor start middle
end offset color colour cap join miter limit dash array round bevel butt square none solid nonzero evenodd display
visibility visible hidden inline inherit user space bounding units spread method pad reflect repeat points preserve
aspect ratio mid meet slice version base profile encoding utf enable animate set type css media all class group layer
rdf cc creator date format publisher language work rights license agent description inkscape sodipodi namedview page
current
"""
FREQUENT = frozenset(_FREQUENT.split())
LANGUAGE = frozenset(_LANGUAGE.split()) | frozenset(colormap)

# Words of a name as people and editors join them: camelCase, snake_case, kebab-case; of any alphabet.
_UPPER = "".join(letter for letter in map(chr, range(sys.maxunicode + 1)) if letter.isupper() and letter.isalpha())
_WORD = re.compile(f"[{_UPPER}]+(?![^\\W\\d_{_UPPER}])|[{_UPPER}]?[^\\W\\d_{_UPPER}]+")


def answer_words(references: Iterable[str]) -> set[str]:
    """The words of references that would give them away."""
    words = {word for reference in references for word in re.findall(r"[^\W\d_]+", reference.lower())}
    return {word for word in words if len(word) >= MIN_LETTERS} - FREQUENT - LANGUAGE


def words_of_drawing(text: str) -> set[str]:
    """The words of a drawing's text, in lower case."""
    return {word.lower() for word in _WORD.findall(text) if len(word) >= MIN_LETTERS} - LANGUAGE


def find_answers(text: str, references: Iterable[str]) -> set[str]:
    """Words of the references that the text of a drawing holds."""
    return answer_words(references) & words_of_drawing(text)
