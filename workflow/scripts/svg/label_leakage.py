"""Label leakage: words of a sample's references that occur in the names and texts of its drawing.

Ids, class names, editor labels, titles and drawn text count as words of a drawing. Names of elements, attributes,
keywords and colours belong to the SVG language and do not count, even if a caption contains them.

If a script has no spaces, or joins endings to its words, the words of a reference cannot be separated. A word of the
drawing then counts if it occurs anywhere in the reference. For Chinese, any pair of characters counts.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterable

from PIL.ImageColor import colormap

MIN_LETTERS = 3
# Words that are too frequent to leak a label.
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
_NAME = re.compile(rf"[^\W\d_]{{{MIN_LETTERS},}}")  # of joined words; quickly found among the numbers of paths

_HAN, _HIRAGANA, _KATAKANA = "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff", "\u3041-\u3096", "\u30a1-\u30fa\u30fc"
_THAI_AND_LIKE, _HANGUL = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecd\u1000-\u103f\u1780-\u17d3", "\uac00-\ud7a3"
# Characters as frequent as the words above, between which the others are words: numbers, sizes, places, colours.
_FREQUENT_HAN = (
    "一二三四五六七八九十百千万两个個只隻的地得和与與及或在是有了着这這那上下左右中大小前后後内外里第"
    "白黑黒红紅赤蓝藍青绿緑綠黄黃紫灰橙粉棕茶色图圖画畫絵片像案标標层層组組形状狀圆圓円椭方矩角点點线線面路径"
)
_FREQUENT_UNSPACED = """
いる ある する した ない です ます から まで それ これ レイヤー グループ パス アイコン イラスト シンプル
레이어 그룹 그림 이미지 아이콘 배경 있는 있다 ภาพ รูป ไอคอน เลเยอร์
"""
FREQUENT_UNSPACED = frozenset(_FREQUENT_UNSPACED.split())
# Hiragana beside other characters are endings; a character after a number is its unit.
_UNSPACED_WORD = re.compile(
    rf"(?<!\d)(?:(?![{_FREQUENT_HAN}])[{_HAN}])+|[{_KATAKANA}]{{2,}}|[{_HANGUL}]{{2,}}|[{_THAI_AND_LIKE}]{{3,}}"
    rf"|(?<![{_HAN}{_HIRAGANA}{_KATAKANA}])[{_HIRAGANA}]{{2,}}+(?![{_HAN}{_KATAKANA}])"
)


def leakable_words(references: Iterable[str]) -> set[str]:
    """The words of references that count as leakage."""
    words = {word for reference in references for word in re.findall(r"[^\W\d_]+", reference.lower())}
    return {word for word in words if len(word) >= MIN_LETTERS} - FREQUENT - LANGUAGE


def words_of_drawing(text: str) -> set[str]:
    """The words of a drawing's text, in lower case."""
    names = set(_NAME.findall(text))
    return {word.lower() for name in names for word in _WORD.findall(name) if len(word) >= MIN_LETTERS} - LANGUAGE


def find_leaked_words(text: str, references: Iterable[str]) -> set[str]:
    """Words of the references that occur in the text of a drawing."""
    references = list(references)
    words = leakable_words(references)
    if not text.isascii():
        return (words & words_of_drawing(text)) | find_unspaced(text, " ".join(references))
    plain = text.lower()
    held = {word for word in words if word in plain}  # a fast test: most drawings have none
    return held & words_of_drawing(text) if held else held


def find_unspaced(text: str, references: str) -> set[str]:
    """Words of a drawing's text, in scripts without spaces, that stand in the references; else pairs of characters."""
    found = set()
    for word in set(_UNSPACED_WORD.findall(text)) - FREQUENT_UNSPACED:
        if word in references:
            found.add(word)
        elif re.match(f"[{_HAN}]", word):
            found |= {pair for pair in map("".join, itertools.pairwise(word)) if pair in references}
    return found
