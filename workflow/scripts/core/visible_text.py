"""Whether anything of a text can be seen: a caption of zero-width spaces is an empty one."""

from __future__ import annotations

import unicodedata

# Besides control and format characters and spaces: the joiner, fillers, variation selectors, the empty Braille cell.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code)
    for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    for code in range(first, last + 1)
}
CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Zs", "Zl", "Zp"})  # of the Unicode standard, chapter 4.5


def is_blank(text: str) -> bool:
    """Whether a text has no character that can be seen."""
    return all(one in INVISIBLE or unicodedata.category(one) in CATEGORIES for one in text)
