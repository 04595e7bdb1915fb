"""The stylesheets of a drawing as a browser reads them for a screen: which declarations apply to an element, by weight.

CSS is parsed by tinycss2 and matched by cssselect2. `@media` and `@supports` are evaluated (svg/conditions.py), layers
and nested rules resolved. Rules of other kinds style nothing that we draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import cssselect2
import tinycss2

from svg.conditions import is_supported, matches_media
from svg.css_tokens import split_at_commas

UNRESOLVED_RULES = {"@container", "@property", "@scope", "@starting-style"}
# Older names of properties that browsers still read.
OLD_NAMES = {f"-webkit-{name}": name for name in ("transform", "transform-origin", "clip-path", "filter", "opacity")}
OLD_NAMES |= {"-webkit-animation": "animation", "-webkit-animation-name": "animation-name"}
OLD_NAMES |= dict.fromkeys(("mask-image", "-webkit-mask", "-webkit-mask-image"), "mask")
MAX_NESTED = 20  # levels of rules in rules
MAX_SELECTORS = 100_000  # characters of a nested selector: each level repeats those around it


class Declaration(NamedTuple):
    """A property and its value as text."""

    name: str
    value: str
    important: bool


# The places of a layer and of those around it, in the order of first mention. What is in no layer, or in none of the
# layers in one, comes last.
Rank = tuple[float, ...]


class Weighed(NamedTuple):
    """Declarations of a rule, with the rank of its layer."""

    layer: Rank
    declarations: tuple[Declaration, ...]


Layer = tuple[str, ...]  # its name, after those of the layers around it
Supports = Callable[[str, str], bool]  # whether a browser knows a property with a value


class Stylesheets:
    """The rules of the <style> elements of a drawing."""

    def __init__(self, root: Any, texts: Iterable[str], supports: Supports):
        self.matcher = cssselect2.Matcher()
        self.supports = supports
        self.layers: dict[tuple[str, ...], float] = {}
        self.namespaces: dict[str | None, str] = {}
        self.has_animations = False
        self.unresolved: set[str] = set()  # rules that browsers apply, and we do not
        for text in texts:
            self._add_rules(tinycss2.parse_stylesheet(text, True, True), "", (), 0)
        wrappers = cssselect2.ElementWrapper.from_xml_root(root).iter_subtree()
        self.wrappers = {wrapper.etree_element: wrapper for wrapper in wrappers}

    def _add_rules(self, rules: Iterable[Any], parents: str, layer: Layer, depth: int) -> None:
        """Add rules and, in a nested list, the declarations between them, which are of the rule around them."""
        plain: list[Any] = []
        for rule in [*rules, None]:
            if rule is not None and rule.type == "declaration":
                plain.append(rule)
                continue
            if plain:
                self._add(parents, plain, layer)
                plain = []
            if rule is None:
                continue
            if depth > MAX_NESTED:
                self.unresolved.add("nesting")
                continue
            if rule.type == "qualified-rule":
                selectors = nested_selectors(rule.prelude, parents)
                if len(selectors) > MAX_SELECTORS:
                    self.unresolved.add("nesting")
                else:
                    content = tinycss2.parse_blocks_contents(rule.content, True, True)
                    self._add_rules(content, selectors, layer, depth + 1)
            elif rule.type == "at-rule":
                self._add_at_rule(rule, parents, layer, depth)

    def _add_at_rule(self, rule: Any, parents: str, layer: Layer, depth: int) -> None:
        kind = rule.lower_at_keyword.removeprefix("-webkit-")
        if kind == "keyframes":
            self.has_animations = True
        if kind == "layer" and rule.content is None:
            for name in split_at_commas(rule.prelude):
                self._layer(layer, tinycss2.serialize(name))
        if kind == "namespace":
            words = [token for token in rule.prelude if token.type in ("ident", "string", "url", "function")]
            prefix = words[0].value if len(words) > 1 else None
            address = words[-1] if words else None
            if address is not None:
                named = address.arguments[0] if address.type == "function" and address.arguments else address
                self.namespaces[prefix] = getattr(named, "value", "")
        if rule.content is None:
            return
        if kind == "media":
            applies = matches_media(rule.prelude)
        elif kind == "supports":
            applies = is_supported(rule.prelude, self.supports, lambda text: bool(compile_selectors(text)))
        else:
            applies = kind == "layer"
            self.unresolved |= {f"@{kind}"} & UNRESOLVED_RULES
        if applies:
            layer = self._layer(layer, tinycss2.serialize(rule.prelude)) if kind == "layer" else layer
            parse = tinycss2.parse_blocks_contents if parents else tinycss2.parse_rule_list
            self._add_rules(parse(rule.content, True, True), parents, layer, depth + 1)

    def _layer(self, around: Layer, name: str) -> Layer:
        """The full name of a layer, as a.b, which has its place from its first mention."""
        full = around
        for part in (name.strip() or f" {len(self.layers)}").split("."):
            full = (*full, part)
            self.layers.setdefault(full, len(self.layers))
        return full

    def _add(self, selectors: str, declarations: list[Any], layer: Layer) -> None:
        rank = (*(self.layers[layer[: n + 1]] for n in range(len(layer))), math.inf)
        payload = Weighed(rank, tuple(map(as_declaration, declarations)))
        for selector in compile_selectors(selectors, self.namespaces):
            self.matcher.add_selector(selector, payload)

    def same_as(self, element: Any, other: Any) -> None:
        """Let the rules that apply to an element apply to a copy of it, wherever that is."""
        if other in self.wrappers:
            self.wrappers[element] = self.wrappers[other]

    def declarations_of(self, element: Any, style: str) -> Iterator[Declaration]:
        """What applies to an element, its `style` attribute included, from the least weight to the most."""
        wrapper = self.wrappers.get(element)
        found = self.matcher.match(wrapper) if wrapper is not None else []
        rules = [(payload, key) for *key, pseudo, payload in found if pseudo is None]
        own = parse_declarations(style)
        for important in (False, True):
            rank = -1 if important else 1  # important declarations of the first layer win
            in_order = sorted(rules, key=lambda rule, rank=rank: ([rank * place for place in rule[0].layer], rule[1]))  # type: ignore[misc]
            for payload, _ in in_order:
                yield from (one for one in payload.declarations if one.important == important)
            yield from (one for one in own if one.important == important)


def nested_selectors(prelude: Any, parents: str) -> str:
    """The selectors of a rule with those of the rules around it (CSS Nesting 1)."""
    if not parents and "&" not in (text := tinycss2.serialize(prelude)):
        return text
    around = f":is({parents})" if parents else ":root"
    texts = (tinycss2.serialize(part).strip() for part in split_at_commas(prelude))
    return ", ".join(
        text.replace("&", around) if "&" in text else f"{around} {text}" if parents else text for text in texts
    )


def compile_selectors(text: str, namespaces: Mapping[str | None, str] | None = None) -> list[Any]:
    """The selectors of a list; none where one of them is none, as the whole rule is invalid then.

    Browsers accept any name of a pseudo-element that begins so, and in `:is` and `:where` what is no selector.
    """
    parts = (tinycss2.serialize(part) for part in split_at_commas(tinycss2.parse_component_value_list(text)))
    plain = ",".join(part for part in parts if "::-webkit-" not in part)
    try:
        return cssselect2.compile_selector_list(plain, namespaces)
    except cssselect2.SelectorError:
        forgiven = forgive(tinycss2.parse_component_value_list(plain), namespaces)
        return compile_selectors(forgiven, namespaces) if forgiven != plain else []


def forgive(tokens: list[Any], namespaces: Mapping[str | None, str] | None) -> str:
    """Selectors without what is no selector in `:is` and `:where` (Selectors 4, 17.1)."""
    texts = []
    for token in tokens:
        if token.type == "function" and token.lower_name in ("is", "where"):
            parts = map(tinycss2.serialize, split_at_commas(token.arguments))
            kept = [part for part in parts if compile_selectors(part, namespaces)]
            texts.append(f"{token.name}({','.join(kept)})")
        else:
            texts.append(token.serialize())
    return "".join(texts)


def as_declaration(declaration: Any) -> Declaration:
    name = declaration.name if declaration.name.startswith("--") else declaration.lower_name
    return Declaration(OLD_NAMES.get(name, name), tinycss2.serialize(declaration.value).strip(), declaration.important)


@lru_cache(maxsize=4096)
def parse_declarations(text: str) -> tuple[Declaration, ...]:
    """The declarations of a `style` attribute."""
    return tuple(as_declaration(one) for one in tinycss2.parse_blocks_contents(text) if one.type == "declaration")
