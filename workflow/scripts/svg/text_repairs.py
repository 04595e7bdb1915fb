"""Repairs of texts that are no drawing for what is around it, for a lost tag, or for names in lower case.

Language models and HTML pages write such: Markdown, prose or HTML around a drawing, attributes without a space between
them or without their element, `viewbox`. Each repair gives the text as it is where there is nothing to repair.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

_MIXED_CASE = """
viewBox preserveAspectRatio gradientUnits gradientTransform spreadMethod clipPathUnits maskUnits maskContentUnits
patternUnits patternContentUnits patternTransform markerWidth markerHeight markerUnits refX refY pathLength
textLength lengthAdjust startOffset stdDeviation primitiveUnits filterUnits baseFrequency numOctaves tableValues
attributeName repeatCount linearGradient radialGradient clipPath textPath foreignObject feBlend feColorMatrix
feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting feDisplacementMap feDropShadow feFlood feFuncA
feFuncB feFuncG feFuncR feGaussianBlur feImage feMerge feMergeNode feMorphology feOffset fePointLight
feSpecularLighting feSpotLight feTile feTurbulence animateTransform animateMotion
"""
MIXED_CASE = frozenset(_MIXED_CASE.split())
NAMES = {name.lower(): name for name in MIXED_CASE}
# Beside a `viewBox`, one of these tells that other names are in lower case.
TELLING = ("lineargradient", "radialgradient", "clippath", "foreignobject", "textpath")

_DRAWING = re.compile(r"<(?:[\w.-]+:)?svg\b.*</(?:[\w.-]+:)?svg\s*>", re.DOTALL)
_UNENDED = re.compile(r"<(?:[\w.-]+:)?svg\b.*?(?=```|\Z)", re.DOTALL)
_ESCAPED_QUOTE = re.compile(r"""<(?:[\w.-]+:)?svg\s[^<>"']*=\\["']""")
_JOINED = re.compile(r"""((?<=[\s"'])[A-Za-z_][\w:.-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))(?=[A-Za-z_:])""")
# Attributes up to the end of their element, right behind the tag before it.
_LOST_TAG = re.compile(r"""(>\s*+)([a-z][\w:-]*+=["'][^<>]*["'])\s*+/>""")
_PATH_DATA = re.compile(r"""(?<![\w-])d=["']""")
_QUOTED_STYLE = re.compile(r"""\bstyle="((?:\s*[\w-]+="[^"<>]*"\s*;?)+)\s*\"""")
# A tag up to its end; in it, a value, or a name.
_TAG = re.compile(r"""</?[A-Za-z][\w:.-]*+(?:[^<>"']|"[^"<]*"|'[^'<]*')*+>""")
_NAME = re.compile(rf"""("[^"]*"|'[^']*')|(?<=[</\s])({"|".join(sorted(MIXED_CASE))})(?=[\s=>/])""", re.IGNORECASE)
_MISSPELT = re.compile(rf"(?<=[</\s])(?:{'|'.join(sorted(NAMES))})(?=[\s=>/])")


def cut_surroundings(text: str) -> str:
    """The drawing in a text, without Markdown, prose or HTML around it; of one that is cut off, what is before it."""
    found = find_drawing(text)
    return found[0] if found and found[0] != text.strip() else text


def find_drawing(text: str) -> re.Match[str] | None:
    """Where in a text its drawing stands; one that is cut off goes on to the end, or to the end of its code block."""
    return _DRAWING.search(text) or _UNENDED.search(text)


def unescape_quotes(text: str) -> str:
    """The text of a drawing that is written as in a string of JSON or a program, with its quotes and lines."""
    if not _ESCAPED_QUOTE.search(text):
        return text
    return re.sub(r"\\(.)", lambda escape: {"n": "\n", "r": "\r", "t": "\t"}.get(escape[1], escape[1]), text)


def separate_attributes(text: str) -> str:
    """The text with a space between attributes that have none."""
    return _JOINED.sub(r"\1 ", text)


def restore_path_tags(text: str) -> str:
    """The text with a path for attributes that have lost their element, and quotes in their style taken out."""

    def restored(found: re.Match[str]) -> str:
        if not _PATH_DATA.search(found[2]):
            return found[0]
        attributes = _QUOTED_STYLE.sub(
            lambda style: "style=" + quoteattr(re.sub(r'([\w-]+)="([^"]*)"', r"\1:\2", style[1])), found[2]
        )
        return f"{found[1]}<path {attributes}/>"

    return _LOST_TAG.sub(restored, text)


def restore_names(text: str) -> str:
    """The text with the names of elements and attributes that SVG writes in mixed case written so.

    Only a text with one of them in lower case, as HTML writes them, is looked at.
    """
    if ("viewBox" in text and not any(name in text for name in TELLING)) or not _MISSPELT.search(text):
        return text
    return _TAG.sub(lambda tag: _NAME.sub(lambda found: found[1] or NAMES[found[2].lower()], tag[0]), text)
