"""The styles of a drawing resolved as a browser resolves them, before any back end or level reads it.

`resolve_drawing` changes a drawing in place so that no stylesheet, custom property or relative length is left, and all
values are in forms that every back end reads alike: text, render check and PNG begin with the same drawing. Elements
that are plain already stay as they are written. What cannot be resolved gets a flag `unresolved:<what>`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass

import tinycss2
from lxml import etree
from svgelements import Matrix

from svg.clean import PROPERTIES
from svg.colours import is_unknown_colour
from svg.conditions import matches_media
from svg.css_values import Context, parse_css_length, resolve_custom, substitute
from svg.geometry_in_css import GEOMETRY_OF, matrix_to_screen, resolve_transform, shape_clip, transform_root
from svg.parse import SVG_NAMESPACE, XLINK_HREF, local_name
from svg.presentation import add_background, expand_gradient, mirror_text, scale_dashes, scale_stroke
from svg.references import GRADIENTS, check_references
from svg.shapes import SHAPES, BeyondCompact, elements_by_id, length_of_view, link_of, matrix_within
from svg.style import DEFAULTS, INHERITED
from svg.stylesheets import Stylesheets
from svg.values import (
    COLOURS,
    CONTEXTUAL_ATTRIBUTES,
    GEOMETRY,
    LENGTHS,
    OPACITIES,
    TRANSFORMS,
    VALID_WORDS,
    WIDE,
    NeedsContext,
    plain_style,
    plain_value,
)

TRANSFORM_ATTRIBUTES = {
    "linearGradient": "gradientTransform",
    "radialGradient": "gradientTransform",
    "pattern": "patternTransform",
}
PLACED = {"g", "a", "switch", "text", *SHAPES}  # elements that are drawn where they are
TEXT = {"text", "tspan", "textPath", "tref", "altGlyph"}
CHECKED = {*COLOURS, *OPACITIES, *LENGTHS, *VALID_WORDS, *CONTEXTUAL_ATTRIBUTES, *TRANSFORM_ATTRIBUTES.values()} | {
    "stroke-dasharray", "stroke-miterlimit", "transform", "clip-path", "display", "vector-effect",
}  # fmt: skip
# Of these attributes, other elements than shapes have lists, or something else under the name.
CHECKED_IN_TEXT = CHECKED - LENGTHS
CHECKED_IN_FILTERS = CHECKED - TRANSFORMS
FONT_SIZES = {"xx-small": 9, "x-small": 10, "small": 13, "medium": 16, "large": 18, "x-large": 24, "xx-large": 32}
FONT_SIZE = 16.0
INITIAL = {
    "stroke-width": "1", "stroke-dasharray": "none", "stroke-dashoffset": "0", "direction": "ltr",
    "text-anchor": "start", "color-interpolation": "sRGB",
}  # fmt: skip
OF_PAGES = {"grid", "gap", "position", "top", "left", "float", "margin", "padding", "backdrop-filter", "object-fit"}
MAX_INSTANCES = 200
STYLE = f"{{{SVG_NAMESPACE}}}style"


@dataclass(frozen=True)
class Inherited:
    """What the elements below an element need of it."""

    context: Context
    values: dict[str, str]  # of the properties in INITIAL
    matrix: Matrix | None  # to the screen; None where the element is not drawn in its place alone


def checked_attributes(name: str) -> set[str]:
    if name in TEXT:
        return CHECKED_IN_TEXT
    return CHECKED_IN_FILTERS if name.startswith("fe") else CHECKED


def resolve_drawing(root: etree._Element, flags: set[str]) -> None:
    """Resolve the styles of a drawing in place; `flags` gets what was repaired and what could not be resolved."""
    changes = plain_changes(root)
    if changes is None:
        Resolver(root, flags).resolve()
    else:
        for element, key, value in changes:
            write_attribute(element, key, value)
    check_references(root, flags)


def plain_changes(root: etree._Element) -> list[tuple[etree._Element, str, str | None]] | None:
    """The attributes that become plain by themselves; None where styles have to be resolved from the root on."""
    changes: list[tuple[etree._Element, str, str | None]] = []
    if root.get("transform") or next(root.iter(STYLE), None) is not None:
        return None
    try:
        for element in root.iter(etree.Element):
            checked = checked_attributes(local_name(element))
            for key, value in element.attrib.items():
                plain: str | None = value
                if key in checked:
                    plain = plain_value(key, value)
                    if plain is None and is_unknown_colour(value):
                        return None
                elif key == "style":
                    if any(is_unknown_colour(part.partition(":")[2]) for part in value.split(";")):
                        return None
                    plain = plain_style(value)
                elif "var(" in value:
                    return None
                if plain != value:
                    changes.append((element, key, plain))
    except NeedsContext:
        return None
    return changes


def write_attribute(element: etree._Element, key: str, value: str | None) -> None:
    if value is None:
        element.attrib.pop(key, None)
    else:
        element.set(key, value)


class Resolver:
    """Resolves the styles of one drawing from its root on."""

    def __init__(self, root: etree._Element, flags: set[str]):
        self.root, self.flags = root, flags
        texts = [sheet_text(sheet) for sheet in root.iter(STYLE)]
        self.sheets = Stylesheets(root, texts, supports)
        self.gradients: list[etree._Element] = []  # whose colours are mixed in linear light
        self.background = ""
        self.instances: list[etree._Element] = []  # copies of what a `use` shows, under its custom properties
        self.as_written: dict[etree._Element, etree._Element] = {}
        if "var(" in etree.tostring(root, encoding="unicode"):
            self.by_id = elements_by_id(root)
            self.as_written = dict(zip(root.iter(), copy.deepcopy(root).iter(), strict=True))
        self.flags |= {f"unresolved:{kind}" for kind in self.sheets.unresolved}
        if self.sheets.has_animations:
            flags.add("animated")

    def resolve(self) -> None:
        context = Context(FONT_SIZE, FONT_SIZE, {})
        self._visit(self.root, Inherited(context, INITIAL, matrix_to_screen(self.root)))
        for sheet in list(self.root.iter(STYLE)):
            parent = sheet.getparent()
            if parent is not None:
                parent.remove(sheet)
        if self.instances:
            etree.SubElement(self.root, f"{{{SVG_NAMESPACE}}}defs").extend(self.instances)
        for gradient in self.gradients:
            expand_gradient(gradient, elements_by_id(self.root))
        if self.background:
            add_background(self.root, self.background, self.flags)

    def _visit(self, element: etree._Element, parent: Inherited) -> None:
        name = local_name(element)
        if not name or name == "style":
            return
        attributes, styled = self._declared(element, name)
        custom: Mapping[str, str] = parent.context.custom
        own_custom = {key: styled.pop(key) for key in [key for key in styled if key.startswith("--")]}
        if own_custom:
            custom = resolve_custom(own_custom, custom)
        size = styled.get("font-size", element.get("font-size"))
        font_size = self._font_size(size, parent.context, custom)
        root_size = font_size if element is self.root else parent.context.root_font_size
        context = Context(font_size, root_size, custom)
        for declared in (attributes, styled):
            for key in list(declared):
                resolved = self._resolved(element, key, declared[key], context)
                if resolved is not None:
                    declared[key] = resolved
                    continue
                del declared[key]
                attributes.pop(key, None)  # what is unset in a style hides the attribute, too
                element.attrib.pop(key, None)
        values = {key: self._followed(key, attributes, styled, parent) for key in INITIAL}
        for key in CONTEXTUAL_ATTRIBUTES - {"pathLength"}:
            element.attrib.pop(key, None)
        for key, value in attributes.items():
            if key not in CONTEXTUAL_ATTRIBUTES:
                element.set(key, value)
        self._apply(element, name, attributes, styled, context, values)
        matrix = parent.matrix
        if element is not self.root:
            matrix = matrix_within(element, matrix) if matrix is not None and name in PLACED else None
        scale_stroke(element, styled, values, matrix, self.flags)
        style = "".join(f"{key}:{value};" for key, value in styled.items())
        write_attribute(element, "style", style or None)
        for child in element:
            if isinstance(child.tag, str):
                self._visit(child, Inherited(context, values, matrix))
        if name == "use" and custom and self.as_written:
            self._show(element, Inherited(context, values, None))

    def _show(self, use: etree._Element, inherited: Inherited) -> None:
        """Let a `use` show a copy of its target that has its custom properties, as the tree in its shadow has."""
        target = self.by_id.get(link_of(use).strip().removeprefix("#"))
        if target is None or target not in self.as_written or len(self.instances) >= MAX_INSTANCES:
            return
        source = self.as_written[target]
        instance = copy.deepcopy(source)
        originals = dict(zip(source.iter(), target.iter(), strict=False))
        for new, old in zip(instance.iter(), source.iter(), strict=True):
            new.attrib.pop("id", None)
            self.sheets.same_as(new, originals.get(old))
        instance.set("id", f"css-use-{len(self.instances)}")
        self.instances.append(instance)
        use.attrib.pop(XLINK_HREF, None)
        use.set("href", f"#{instance.get('id')}")
        self._visit(instance, inherited)

    def _declared(self, element: etree._Element, name: str) -> tuple[dict[str, str], dict[str, str]]:
        """The presentation attributes of an element, and what rules and its `style` say, without invalid values."""
        checked = checked_attributes(name)
        attributes: dict[str, str] = {}
        for key, value in element.attrib.items():
            if key in checked or "var(" in value:
                plain = self._valid(key, value)
                if plain is None:
                    del element.attrib[key]
                else:
                    attributes[key] = plain
        styled: dict[str, str] = {}
        for one in self.sheets.declarations_of(element, element.get("style") or ""):
            is_raw = one.name.startswith("--") or one.name == "transform"  # of CSS, not of an attribute
            value_or_none = one.value if is_raw else self._valid(one.name, one.value)
            if value_or_none:  # an empty one is none
                styled[one.name] = value_or_none
        return attributes, styled

    def _valid(self, name: str, value: str) -> str | None:
        """valid_value, with a flag for what browsers know and we do not."""
        plain = valid_value(name, value)
        if plain is None and is_unknown_colour(value):
            self.flags.add(f"unresolved:{name}")
        return plain

    def _font_size(self, text: str | None, parent: Context, custom: Mapping[str, str]) -> float:
        """The font size of an element in user units."""
        value = substitute(text or "", custom) or ""
        if value.lower() in FONT_SIZES:
            return float(FONT_SIZES[value.lower()])
        length = parse_css_length(value, parent) if value else None
        return length.units + length.share * parent.font_size if length else parent.font_size

    def _resolved(self, element: etree._Element, key: str, value: str, context: Context) -> str | None:
        """A declared value without custom properties, wide keywords and relative lengths; None of one that is unset."""
        text = substitute(value, context.custom)
        if text is None:
            return None
        if text != value:
            text = self._valid(key, text)
            if text is None:
                return None
        lower = text.lower()
        if lower in WIDE:
            return DEFAULTS.get(key) if lower == "initial" and key in INHERITED else None
        if key in LENGTHS:
            return self._length(element, key, text, context)
        if key == "stroke-dasharray" and text not in ("none", "inherit"):
            parts = [self._length(element, key, part, context) for part in text.replace(",", " ").split()]
            return " ".join(part for part in parts if part) if None not in parts else None
        if key in OPACITIES and "(" in text:
            found = parse_css_length(text, context)
            return None if found is None else f"{found.units + found.share:.6g}"
        return text

    def _length(self, element: etree._Element, key: str, text: str, context: Context) -> str | None:
        try:
            if plain_value("stroke-dashoffset" if key == "stroke-dasharray" else key, text) == text:
                return text
        except NeedsContext:
            pass
        length = parse_css_length(text, context)
        if length is None:
            self.flags.add(f"unresolved:{key}")
            return None
        try:
            return length.text() or f"{length.units + length.share * length_of_view(element, key):.9g}"
        except BeyondCompact:
            self.flags.add(f"unresolved:{key}")
            return None

    def _followed(self, key: str, attributes: dict[str, str], styled: dict[str, str], parent: Inherited) -> str:
        value = styled.get(key, attributes.get(key, "inherit"))
        return parent.values[key] if value == "inherit" else value

    def _apply(
        self,
        element: etree._Element,
        name: str,
        attributes: dict[str, str],
        styled: dict[str, str],
        context: Context,
        values: dict[str, str],
    ) -> None:
        """Write what no back end reads in a style as attributes and elements."""
        for key in GEOMETRY & styled.keys():
            value = styled.pop(key)
            if element is self.root and key in ("width", "height"):
                write_attribute(element, key, None if value == "auto" or value.endswith("%") else value)
            elif key in GEOMETRY_OF.get(name, ()):
                write_attribute(element, key, None if value == "auto" else value)
        d = styled.pop("d", "")
        if d and name == "path":
            write_attribute(element, "d", path_of(d))
        self._transform(element, name, attributes, styled, context)
        clip = styled.get("clip-path", attributes.get("clip-path", ""))
        if "(" in clip and not clip.lower().startswith("url("):
            styled.pop("clip-path", None)
            write_attribute(element, "clip-path", shape_clip(self.root, element, clip, context, self.flags))
        background = {styled.pop(key, "") for key in ("background", "background-color", "background-image")}
        if element is self.root:
            colour = styled.get("color", attributes.get("color", "black"))
            self.background = re.sub("currentcolor", colour, " ".join(sorted(background)).strip(), flags=re.IGNORECASE)
        animation = styled.pop("animation", "") + styled.pop("animation-name", "")
        if animation and "none" not in animation:
            self.flags.add("animated")
        if "(" in (mask := styled.get("mask", "")) and not mask.lower().startswith("url("):
            del styled["mask"]
            self.flags.add("unresolved:mask")
        if element.get("pathLength") is not None:
            scale_dashes(element, styled, values)
        if name in TEXT:
            mirror_text(element, styled, values)
        styled.pop("direction", None)
        if name in GRADIENTS and values["color-interpolation"].lower() == "linearrgb":
            self.gradients.append(element)

    def _transform(
        self,
        element: etree._Element,
        name: str,
        attributes: dict[str, str],
        styled: dict[str, str],
        context: Context,
    ) -> None:
        """Write the transforms of CSS as an attribute; those of the root as a group."""
        said = {key: styled.pop(key, "") for key in TRANSFORMS}
        for key in ("transform-origin", "transform-box"):
            said[key] = said[key] or attributes.get(key, "")
        attribute = TRANSFORM_ATTRIBUTES.get(name, "transform")
        if any(said.values()) or (element is self.root and element.get("transform")):
            transform = resolve_transform(self.root, element, said, element.get(attribute) or "", context)
            if transform is None:
                self.flags.add("unresolved:transform")
            else:
                write_attribute(element, attribute, transform or None)
        if element is self.root and element.get("transform"):
            transform_root(self.root, element.attrib.pop("transform"))


def valid_value(name: str, value: str) -> str | None:
    """The value of a property or attribute, plain where it depends on nothing else; None where it is none."""
    if name in (*TRANSFORMS - {"transform"}, "d", "background"):
        return value
    try:
        return plain_value(name, value)
    except NeedsContext:
        return value.strip()


def supports(name: str, value: str) -> bool:
    """Whether a browser knows a property with a value, as far as we know both."""
    return name.startswith("--") or (name in PROPERTIES | OF_PAGES and bool(value) and bool(valid_value(name, value)))


def sheet_text(sheet: etree._Element) -> str:
    """The rules of a <style> element; empty for one of another language, or for another medium than a screen."""
    is_css = (sheet.get("type") or "text/css").split(";")[0].strip().lower() == "text/css"
    return "".join(sheet.itertext()) if is_css and matches_media(sheet.get("media") or "") else ""


def path_of(d: str) -> str | None:
    """The path data of the property `d`; None of `none`."""
    function = tinycss2.parse_one_component_value(d, skip_comments=True)
    arguments = getattr(function, "arguments", [])
    return next((token.value for token in arguments if token.type == "string"), None)
