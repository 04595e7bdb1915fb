"""Path records: the list of styled paths that experiments of this field often call "xml", made into SVG.

    style=fill:3,84,76;stroke:None;stroke-width:1;opacity:1<TAB>d=M11,471 A14,28,0,1,0,40,471 ...

One record a path on a canvas of 512 x 512. Separators may be tabs, newlines or only spaces, values may be in quotes; a
record ends where the next `style=` begins. What is broken in a known way is repaired and named.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

CANVAS = 512

# An unpainted path that is cut off at once stands for a record without outline: svg/repair.py names it as cut off.
_CUT_OFF = '<path fill="none" d="M"/>'

_RECORD_START = re.compile(r"\bstyle=")
_OUTLINE_START = re.compile(r"""(?:\s|(?<=["']))d=""")
_COLOUR = re.compile(r"\b(fill|stroke):(\d+,\d+,\d+)")


def is_path_records(text: str) -> bool:
    """Whether a drawing is a list of path records and no XML."""
    return text.lstrip("\ufeff \t\r\n").startswith("style=")


def convert_path_records(text: str) -> str:
    """The SVG of a list of path records, with its styles as they are. Raises ValueError where there is no record."""
    records = [_OUTLINE_START.split(record, maxsplit=1) for record in _RECORD_START.split(text)[1:]]
    if all(len(record) == 1 for record in records):
        raise ValueError("path records without any `style=... d=...`")
    paths = "".join(write_path(*record) for record in records)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {CANVAS} {CANVAS}">{paths}</svg>'


def write_path(style: str, d: str = "") -> str:
    """The path of a record; one that is cut off where the record was, before its outline."""
    outline = unquoted(d)
    return f"<path style={quoteattr(unquoted(style))} d={quoteattr(outline)}/>" if outline else _CUT_OFF


def unquoted(value: str) -> str:
    """A value without the quotes around it; of one that was cut off, without the first."""
    value = value.strip()
    quote = value[:1] if value[:1] in ("'", '"') else ""
    return value.removeprefix(quote).removesuffix(quote).strip()


def displayed_drawing(text: str) -> str:
    """The text of a sample as SVG: path records that preprocessing wrote become one; anything else stays as it is."""
    if not is_path_records(text):
        return text
    return convert_path_records(_COLOUR.sub(r"\1:rgb(\2)", text).replace(":None", ":none"))
