"""The styles of a drawing resolved as a browser resolves them, before any back end or level reads it.

`resolve_drawing` changes a drawing in place so that no stylesheet, custom property or relative length is left, and all
values are in forms that every back end reads alike: text, render check and PNG begin with the same drawing. Elements
that are plain already stay as they are written. What cannot be resolved gets a flag `unresolved:<what>`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lxml import etree
from svgelements import Matrix

from svg.clean import PROPERTIES
from svg.colours import is_unknown_colour
from svg.css_tokens import significant
from svg.css_values import Context, evaluate_sums, parse_css_length, resolve_custom, substitute
from svg.declarations import (
    LONGHANDS,
    STYLE,
    TEXT,
    TRANSFORM_ATTRIBUTES,
    checked_attributes,
    path_of,
    sheet_texts,
    supports,
    valid_declaration,
    valid_value,
)
from svg.geometry_in_css import BOXES, GEOMETRY_OF, matrix_to_screen, resolve_transform, shape_clip, transform_root
from svg.parse import SVG_NAMESPACE, XLINK_HREF, local_name
from svg.presentation import (
    add_background,
    copy_stops,
    expand_gradient,
    mirror_text,
    scale_dashes,
    scale_stroke,
    wrap_views,
)
from svg.references import GRADIENTS, check_references
from svg.shapes import SHAPES, BeyondCompact, elements_by_id, length_of_view, link_of, matrix_within
from svg.style import DEFAULTS, INHERITED
from svg.stylesheets import Stylesheets
from svg.values import (
    COLOURS,
    CONTEXTUAL,
    CONTEXTUAL_ATTRIBUTES,
    GEOMETRY,
    LENGTHS,
    OPACITIES,
    TRANSFORMS,
    UNDRAWN,
    UNDRAWN_OF_ROOT,
    WIDE,
    NeedsContext,
    has_functions,
    plain_style,
    plain_value,
)

PLACED = {"g", "a", "switch", "text", *SHAPES}  # elements that are drawn where they are
FONT_SIZES = {"xx-small": 9, "x-small": 10, "small": 13, "medium": 16, "large": 18, "x-large": 24, "xx-large": 32}
FONT_STEPS = {"larger": 1.2, "smaller": 1 / 1.2}
FONT_SIZE = 16.0
INITIAL = {
    "stroke-width": "1", "stroke-dasharray": "none", "stroke-dashoffset": "0", "direction": "ltr",
    "text-anchor": "start", "color-interpolation": "sRGB",
}  # fmt: skip
MAX_INSTANCES = 200
Valid = Callable[[str, str], str | None]  # the plain value of a property or attribute; None where it is none


@dataclass(frozen=True)
class Inherited:
    """What the elements below an element need of it."""

    context: Context
    values: dict[str, str]  # of the properties in INITIAL
    matrix: Matrix | None  # to the screen; None where the element is not drawn in its place alone


@dataclass(frozen=True)
class Declared:
    """What is said of an element: by its attributes, by rules and its `style`, and what both depend on."""

    attributes: dict[str, str]
    styled: dict[str, str]
    context: Context

    def get(self, key: str, default: str = "") -> str:
        return self.styled.get(key, self.attributes.get(key, default))


def resolve_drawing(root: etree._Element, flags: set[str]) -> None:
    """Resolve the styles of a drawing in place; `flags` gets what was repaired and what could not be resolved."""
    changes = plain_changes(root)
    if changes is None:
        Resolver(root, flags).resolve()
    else:
        for element, key, value in changes:
            write_attribute(element, key, value)
    check_references(root, flags)
    wrap_views(root)


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
        self.sheets = Stylesheets(root, sheet_texts(root), supports)
        self.gradients: list[etree._Element] = []  # whose colours are mixed in linear light
        self.background = ""
        self.by_id = elements_by_id(root)
        self.n_clips = 0  # clip paths made of shapes of CSS
        self.instances: list[etree._Element] = []  # copies of what a `use` shows, under its custom properties
        self.as_written: dict[etree._Element, etree._Element] = {}
        if "var(" in etree.tostring(root, encoding="unicode"):
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
        if self.gradients:
            copy_stops(self.root)
        for gradient in self.gradients:
            expand_gradient(gradient)
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
        declared = Declared(attributes, styled, context)
        for said, valid in ((attributes, valid_value), (styled, valid_declaration)):
            for key in list(said):
                resolved = self._resolved(element, key, said[key], context, valid)
                if resolved is not None:
                    said[key] = resolved
                    continue
                del said[key]
                attributes.pop(key, None)  # what is unset in a style hides the attribute, too
                element.attrib.pop(key, None)
        values = dict(parent.values)
        values |= {key: value for key in INITIAL if (value := declared.get(key, "inherit")) != "inherit"}
        for key in CONTEXTUAL_ATTRIBUTES - {"pathLength"}:
            element.attrib.pop(key, None)
        for key, value in attributes.items():
            if key not in CONTEXTUAL_ATTRIBUTES:
                element.set(key, value)
        self._apply(element, name, declared, values)
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
        if target is None or target not in self.as_written:
            return
        if len(self.instances) >= MAX_INSTANCES:
            self.flags.add("unresolved:use")
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
                plain = self._valid(key, value, valid_value)
                if plain is None:
                    del element.attrib[key]
                else:
                    attributes[key] = plain
        styled: dict[str, str] = {}
        for one in self.sheets.declarations_of(element, element.get("style") or ""):
            is_undrawn = one.name in UNDRAWN or (element is self.root and one.name in UNDRAWN_OF_ROOT)
            if is_undrawn and one.value.lower() not in ("none", "0"):
                self.flags.add(f"unresolved:{one.name}")
            value_or_none = self._valid(one.name, one.value, valid_declaration)
            if value_or_none is None or not (one.name in PROPERTIES or one.name in CONTEXTUAL or one.name[:2] == "--"):
                continue
            for longhand in LONGHANDS.get(one.name, ()):
                styled.pop(longhand, None)
            styled[one.name] = value_or_none
        return attributes, styled

    def _valid(self, name: str, value: str, valid: Valid) -> str | None:
        """A valid value, with a flag for what browsers know and we do not."""
        plain = valid(name, value)
        if plain is None and is_unknown_colour(value):
            self.flags.add(f"unresolved:{name}")
        return plain

    def _font_size(self, text: str | None, parent: Context, custom: Mapping[str, str]) -> float:
        """The font size of an element in user units."""
        value = substitute(text or "", custom) or ""
        if value.lower() in FONT_SIZES:
            return float(FONT_SIZES[value.lower()])
        if value.lower() in FONT_STEPS:
            return parent.font_size * FONT_STEPS[value.lower()]
        length = parse_css_length(value, parent) if value else None
        return length.units + length.share * parent.font_size if length else parent.font_size

    def _resolved(self, element: etree._Element, key: str, value: str, context: Context, valid: Valid) -> str | None:
        """A declared value without custom properties, wide keywords and relative lengths; None of one that is unset."""
        text = substitute(value, context.custom)
        if text is None:
            return None
        if text != value:
            text = self._valid(key, text, valid)
            if text is None:
                return None
        lower = text.lower()
        if lower in WIDE:
            return DEFAULTS.get(key) if lower == "initial" and key in INHERITED else None
        if key in LENGTHS:
            return self._length(element, key, text, context)
        if key == "stroke-dasharray" and text not in ("none", "inherit"):
            parts = [self._length(element, key, part.serialize(), context) for part in significant(text) if part != ","]
            return " ".join(part for part in parts if part) if None not in parts else None
        if key in COLOURS and has_functions(text):
            plain = plain_value(key, sums) if not has_functions(sums := evaluate_sums(text, context)) else None
            self.flags |= {f"unresolved:{key}"} if plain is None else set()
            return plain
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
        written = length.text() if length else None
        if written is None:  # a sum or choice of lengths and percentages, or nothing that we know
            try:
                length = parse_css_length(text, replace(context, whole=length_of_view(element, key)))
                written = length.text() if length else None
            except BeyondCompact:
                pass
        if written is None:
            self.flags.add(f"unresolved:{key}")
        return written

    def _apply(self, element: etree._Element, name: str, declared: Declared, values: dict[str, str]) -> None:
        """Write what no back end reads in a style as attributes and elements."""
        styled = declared.styled
        for key in GEOMETRY & styled.keys():
            value = styled.pop(key)
            if element is self.root and key in ("width", "height"):
                write_attribute(element, key, None if value == "auto" or value.endswith("%") else value)
            elif key in GEOMETRY_OF.get(name, ()):
                write_attribute(element, key, None if value == "auto" else value)
        d = styled.pop("d", "")
        if d and name == "path":
            write_attribute(element, "d", path_of(d))
        self._transform(element, name, declared)
        clip = declared.get("clip-path")
        if clip.lower() in BOXES or ("(" in clip and not clip.lower().startswith("url(")):
            styled.pop("clip-path", None)
            self._clip(element, shape_clip(self.by_id, element, clip, declared.context))
        # The colour of the longhand comes first: it was said after that of the shorthand.
        background = [styled.pop(key, "") for key in ("background-color", "background-image", "background")]
        if element is self.root:
            colour = declared.get("color", "black")
            self.background = re.sub("currentcolor", colour, " ".join(background).strip(), flags=re.IGNORECASE)
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
        if name == "mask" and values["color-interpolation"].lower() == "linearrgb":
            self.flags.add("unresolved:color-interpolation")

    def _clip(self, element: etree._Element, shape: etree._Element | None) -> None:
        """Let a shape clip an element; a flag where there is none."""
        reference = None
        if shape is None:
            self.flags.add("unresolved:clip-path")
        else:
            self.n_clips += 1
            name = f"css-clip-{self.n_clips}"
            etree.SubElement(self.root, f"{{{SVG_NAMESPACE}}}clipPath", id=name).append(shape)
            reference = f"url(#{name})"
        write_attribute(element, "clip-path", reference)

    def _transform(self, element: etree._Element, name: str, declared: Declared) -> None:
        """Write the transforms of CSS as an attribute; those of the root as a group."""
        said = {key: declared.styled.pop(key, "") for key in TRANSFORMS}
        for key in ("transform-origin", "transform-box"):
            said[key] = said[key] or declared.attributes.get(key, "")
        attribute = TRANSFORM_ATTRIBUTES.get(name, "transform")
        if any(said.values()) or (element is self.root and element.get("transform")):
            transform = resolve_transform(self.by_id, element, said, element.get(attribute) or "", declared.context)
            if transform is None:
                self.flags.add("unresolved:transform")
            else:
                write_attribute(element, attribute, transform or None)
        if element is self.root and element.get("transform"):
            transform_root(self.root, element.attrib.pop("transform"))
