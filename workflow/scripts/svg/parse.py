"""Parse an untrusted drawing: SVG or path records, no DTD, no entities, no network, caps on size, depth, elements.

What is broken in a known way is repaired and named (`repaired:…`); what cannot be used raises `Unusable`
with the reason.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from lxml import etree

from svg.guard import MAX_CHARS, Refused, check_size, parse_xml
from svg.path_records import convert_path_records, is_path_records
from svg.text_repairs import (
    cut_surroundings,
    restore_names,
    restore_path_tags,
    separate_attributes,
    unescape_quotes,
)

SVG_NAMESPACE = "http://www.w3.org/2000/svg"
XLINK_NAMESPACE = "http://www.w3.org/1999/xlink"
XLINK_HREF = f"{{{XLINK_NAMESPACE}}}href"
NAMESPACES = {"svg": SVG_NAMESPACE, "xlink": XLINK_NAMESPACE}

NOTHING_DRAWN = "nothing is drawn"
# Possessive comments: no text between two of them is tried as part of one.
_DOCTYPE = re.compile(r"\s*(?:<!--(?:(?!-->).)*+-->\s*)*+<!DOCTYPE\s[^\[>]*(?:\[(.*?)\]\s*)?>", re.DOTALL)
# Declarations of what a valid document holds; we do not validate.
_GRAMMAR = re.compile(r"<!(?:ATTLIST|ELEMENT|NOTATION)\s[^<>]*>")
# The default of an attribute other than a namespace, which is repaired where it is missing.
_DEFAULT = re.compile(
    r"""<!ATTLIST\s+[\w.:-]+\s[^<>]*?(?<![\w:-])(?!xmlns)[\w.:-]+\s+(?:[A-Z]+|\([^()]*\))\s+(?:#FIXED\s+)?["']"""
)
_ENTITY = re.compile(r"""<!ENTITY\s+([\w.:-]+)\s+["']([^"'<%]*)["']\s*>""")
_TAG = re.compile(r"""<(/?)([A-Za-z][\w:.-]*)(?:[^<>"']|"[^"<]*"|'[^'<]*')*?(/?)>""")
_ATTRIBUTE = re.compile(r"""\s([A-Za-z_][\w:.-]*)\s*=\s*(?:"[^"<]*"|'[^'<]*')""")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_BAD_CHARACTER = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(?:x0*(?:[0-8bcBCeEfF]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2\d|3[01]));"
)
_PREFIX = re.compile(r"""<([A-Za-z_][\w.-]*):|\s([A-Za-z_][\w.-]*):[\w.-]+\s*=\s*["']""")
_DECLARED_PREFIX = re.compile(r"\sxmlns:([\w.-]+)\s*=")


class Unusable(Exception):
    """A drawing that cannot become a sample; the message is the reason."""


def parse_svg(text: str, repairs: set[str]) -> etree._Element:
    """The root element of a drawing or of path records; `repairs` gets the names of what was repaired.

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
    n_lines = text.count("\n")
    text = text.lstrip("\ufeff \t\r\n").replace("\0", "")
    if "<?xml-stylesheet" in text:
        repairs.add("removed:external_reference")
    text = re.sub(r"^<\?xml[^>]*\?>", "", text)  # it may declare an encoding that the text no longer has
    text = without_doctype(text, repairs)
    for name, repair in FIRST_REPAIRS:
        text = repaired_text(name, repair, text, repairs)
    root = parse_repaired(text, n_lines - text.count("\n"), repairs)
    if etree.QName(root).localname != "svg":
        raise Unusable(f"the root element is {etree.QName(root).localname}, not svg")
    if etree.QName(root).namespace != SVG_NAMESPACE:
        repairs.add("repaired:namespace")
        named = try_xml(add_namespace(etree.tostring(root, encoding="unicode")))
        if named is None:
            raise Unusable("not XML once it has the namespace of SVG")
        root = named
    check_caps(root)
    return root


def parse_repaired(text: str, n_cut: int, repairs: set[str]) -> etree._Element:
    """The root of a text, repaired where it is not XML or no drawing; `n_cut` lines were before it. Raises Unusable."""
    try:
        root = parse_xml(text.encode("utf-8", "surrogatepass"), n_cut)
    except Refused as refused:
        repaired = try_xml(repair_text(text, repairs))
        if repaired is None:
            raise Unusable(str(refused)) from refused
        return repaired
    if etree.QName(root).localname != "svg":
        inner = try_xml(cut_surroundings(text))
        if inner is not None and inner.tag != root.tag:
            repairs.add("repaired:surrounding_text")
            return inner
    return root


def repaired_text(name: str, repair: Callable[[str], str], text: str, repairs: set[str]) -> str:
    """A text after a repair, which is named where it changed something."""
    repaired = repair(text)
    if repaired != text:
        repairs.add(f"repaired:{name}")
    return repaired


def without_doctype(text: str, repairs: set[str]) -> str:
    """The text without its document type; plain entities that it declares (as Illustrator does) are written out.

    Entities of entities, external ones and those that make the text too long are refused.
    """
    doctype = _DOCTYPE.match(text)
    if not doctype:
        return text
    if _DEFAULT.search(doctype[1] or ""):
        repairs.add("removed:attribute_default")
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


def repair_text(text: str, repairs: set[str]) -> str:
    """A text that is not XML with what is broken in a known way repaired, one after the other until it is XML."""
    for name, repair in REPAIRS:
        repaired = repaired_text(name, repair, text, repairs)
        if repaired != text:
            text = repaired
            if try_xml(text) is not None:
                break
    return text


def unescape_whole(text: str) -> str:
    """A drawing that was escaped as a whole, unescaped."""
    return html.unescape(text) if "<" not in text and "&lt;svg" in text else text


def drop_bad_characters(text: str) -> str:
    """The text without characters that XML does not have."""
    return _BAD_CHARACTER.sub("", text)


def drop_comments(text: str) -> str:
    """The text without comments, which may not hold `--` and do."""
    return _COMMENT.sub("", text)


def resolve_entities(text: str) -> str:
    """HTML entities as characters; what only looks like an entity or a tag is text."""
    text = re.sub(r"<(?=[\s\d=<])", "&lt;", text)
    resolved = re.sub(r"&(?!(?:amp|lt|gt|quot|apos);|#)(\w+);", lambda match: html.unescape(match[0]), text)
    return re.sub(r"&(?!(?:amp|lt|gt|quot|apos);|#)", "&amp;", resolved)


def drop_repeated_attributes(text: str) -> str:
    """Each attribute of an element once: the first, as HTML has it."""

    def repaired(tag: re.Match[str]) -> str:
        seen: set[str] = set()

        def once(attribute: re.Match[str]) -> str:
            is_new = attribute[1] not in seen
            seen.add(attribute[1])
            return attribute[0] if is_new else ""

        return _ATTRIBUTE.sub(once, tag[0])

    return _TAG.sub(repaired, text)


def add_prefixes(text: str) -> str:
    prefixes = undeclared_prefixes(text)
    return declare_prefixes(text, prefixes) if prefixes else text


def close_elements(text: str) -> str:
    """The text up to its last whole tag, with elements closed where one around them ends, or at the end."""
    whole = text[: text.rfind(">") + 1]
    parts: list[str] = []
    opened: list[str] = []
    place = 0
    for tag in _TAG.finditer(whole):
        parts.append(whole[place : tag.start()])
        place = tag.end()
        name = tag[2]
        if not tag[1]:
            parts.append(tag[0])
            opened += [] if tag[3] else [name]
        elif name in opened:
            while (inner := opened.pop()) != name:
                parts.append(f"</{inner}>")
            parts.append(tag[0])
    return "".join([*parts, whole[place:], *(f"</{name}>" for name in reversed(opened))])


Repairs = tuple[tuple[str, Callable[[str], str]], ...]
# What is broken in known ways, by the names of the repairs, in the order of repair: in XML, and in what is none.
FIRST_REPAIRS: Repairs = (("path_tag", restore_path_tags), ("case", restore_names))
REPAIRS: Repairs = (
    ("entities", unescape_whole),
    ("escaped_quotes", unescape_quotes),
    ("surrounding_text", cut_surroundings),
    ("attribute_space", separate_attributes),
    ("characters", drop_bad_characters),
    ("comments", drop_comments),
    ("entities", resolve_entities),
    ("doubled_attribute", drop_repeated_attributes),
    ("namespace", add_prefixes),
    ("cut_off", close_elements),
)


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
