"""Parse a drawing from strangers: SVG or path records, no DTD, no entities, no network, caps on size, depth, elements.

What is broken in a known way is mended and named (`repaired:…`); what cannot be used raises `Unusable` with the reason.
"""

from __future__ import annotations

import html
import re

from lxml import etree

from drawing_guard import MAX_CHARS, Refused, check_size, parse_xml
from path_records import convert_path_records, is_path_records

SVG_NAMESPACE = "http://www.w3.org/2000/svg"
XLINK_NAMESPACE = "http://www.w3.org/1999/xlink"
XLINK_HREF = f"{{{XLINK_NAMESPACE}}}href"
NAMESPACES = {"svg": SVG_NAMESPACE, "xlink": XLINK_NAMESPACE}

# Possessive comments: no text between two of them is tried as part of one.
_DOCTYPE = re.compile(r"\s*(?:<!--(?:(?!-->).)*+-->\s*)*+<!DOCTYPE\s[^\[>]*(?:\[(.*?)\]\s*)?>", re.DOTALL)
# Declarations of what a valid document holds; we do not validate. An attribute's default may be lost, as in browsers.
_GRAMMAR = re.compile(r"<!(?:ATTLIST|ELEMENT|NOTATION)\s[^<>]*>")
_ENTITY = re.compile(r"""<!ENTITY\s+([\w.:-]+)\s+["']([^"'<%]*)["']\s*>""")
_PREFIX = re.compile(r"""<([A-Za-z_][\w.-]*):|\s([A-Za-z_][\w.-]*):[\w.-]+\s*=\s*["']""")
_DECLARED_PREFIX = re.compile(r"\sxmlns:([\w.-]+)\s*=")


class Unusable(Exception):
    """A drawing that cannot become a sample; the message is the reason."""


def parse_svg(text: str, repairs: set[str]) -> etree._Element:
    """The root element of a drawing or of path records; `repairs` gets the names of what was mended.

    Parsed without DTD, entities and network, and checked against the caps. Raises Unusable with the reason.
    """
    if len(text) > MAX_CHARS:
        raise Unusable(f"larger than {MAX_CHARS} characters")
    if is_path_records(text):
        try:
            text = convert_path_records(text)
        except ValueError as error:
            raise Unusable(str(error)) from error
        repairs.add("path_records")
    if text.startswith("\ufeff"):
        repairs.add("repaired:bom")
    text = text.lstrip("\ufeff \t\r\n").replace("\0", "")
    text = re.sub(r"^<\?xml[^>]*\?>", "", text)  # it may declare an encoding that the text no longer has
    text = without_doctype(text, repairs)
    root = try_xml(text)
    if root is None:
        root = try_xml(mend_text(text, repairs))
    if root is None:
        raise Unusable("not XML")
    if etree.QName(root).localname != "svg":
        raise Unusable(f"the root element is {etree.QName(root).localname}, not svg")
    if etree.QName(root).namespace != SVG_NAMESPACE:
        repairs.add("repaired:namespace")
        root = try_xml(add_namespace(etree.tostring(root, encoding="unicode")))
        if root is None:
            raise Unusable("not XML once it has the namespace of SVG")
    check_caps(root)
    return root


def without_doctype(text: str, repairs: set[str]) -> str:
    """The text without its document type; plain entities that it declares (as Illustrator does) are written out.

    Entities of entities, external ones and those that make the text too long are refused.
    """
    doctype = _DOCTYPE.match(text)
    if not doctype:
        return text
    subset = _GRAMMAR.sub("", doctype[1] or "")
    declared = dict(_ENTITY.findall(subset))
    if len(re.findall("<!", subset)) != len(declared) or any("&" in value for value in declared.values()):
        raise Unusable("a DTD with declarations of its own (entities are refused)")
    text = text[doctype.end() :]
    if declared:
        names = re.compile("&(" + "|".join(map(re.escape, declared)) + ");")
        used = names.findall(text)
        if len(text) + sum(len(declared[name]) for name in used) > MAX_CHARS:
            raise Unusable(f"entities that make it larger than {MAX_CHARS} characters")
        text = names.sub(lambda match: declared[match[1]], text)
        repairs.add("repaired:entities")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Unusable("a second DTD (entities are refused)")
    return text


def try_xml(text: str) -> etree._Element | None:
    """The root of a text; None where it is not XML."""
    try:
        return parse_xml(text.encode("utf-8", "surrogatepass"))
    except Refused:
        return None


def mend_text(text: str, repairs: set[str]) -> str:
    """A text that is not XML, with HTML entities resolved, prefixes declared, cut-off elements closed."""
    mended = re.sub(r"&(?!amp;|lt;|gt;|quot;|apos;|#)(\w+);", lambda match: html.unescape(match[0]), text)
    mended = re.sub(r"&(?!\w+;|#)", "&amp;", mended)
    if mended != text:
        repairs.add("repaired:entities")
    if prefixes := undeclared_prefixes(mended):
        repairs.add("repaired:namespace")
        mended = declare_prefixes(mended, prefixes)
    if try_xml(mended) is None:
        whole = mended[: mended.rfind(">") + 1] if mended.rstrip()[-1:] != ">" else mended
        opened: list[str] = []
        for tag in re.finditer(r"<(/?)([A-Za-z][\w:.-]*)[^<>]*?(/?)>", whole):
            if tag[1] and opened and opened[-1] == tag[2]:
                opened.pop()
            elif not tag[1] and not tag[3]:
                opened.append(tag[2])
        closed = whole + "".join(f"</{name}>" for name in reversed(opened))
        if opened and try_xml(closed) is not None:
            repairs.add("repaired:cut_off")
            return closed
    return mended


def undeclared_prefixes(text: str) -> list[str]:
    """The prefixes of elements and attributes that a text declares nowhere, such as the `xlink` of a copied piece."""
    used = {prefix for found in _PREFIX.findall(text) for prefix in found if prefix}
    return sorted(used - {"xml", "xmlns"} - set(_DECLARED_PREFIX.findall(text)))


def declare_prefixes(text: str, prefixes: list[str]) -> str:
    """The text with prefixes declared at its root; unknown ones are editor data, in namespaces of their own."""
    declared = "".join(f' xmlns:{prefix}="{NAMESPACES.get(prefix, "urn:undeclared:" + prefix)}"' for prefix in prefixes)
    return re.sub(r"<(?:[\w.-]+:)?svg\b", lambda start: start[0] + declared, text, count=1)


def add_namespace(text: str) -> str:
    return re.sub(r"<svg\b", f'<svg xmlns="{SVG_NAMESPACE}"', re.sub(r'\sxmlns="[^"]*"', "", text, count=1), count=1)


def check_caps(root: etree._Element) -> None:
    """The caps of the renderer: what would not be drawn is not read either."""
    try:
        check_size(root)
    except Refused as reason:
        raise Unusable(str(reason)) from reason


def local_name(element: etree._Element) -> str:
    """Name of an SVG element, empty for one of another namespace (editor data)."""
    namespace, _, name = element.tag.rpartition("}")
    return name if namespace == "{" + SVG_NAMESPACE else ""
