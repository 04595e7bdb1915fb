"""The stylesheets of a drawing as a browser reads them for a screen: which declarations apply to an element, by weight.

CSS is parsed by tinycss2 and matched by cssselect2. `@media` and `@supports` are evaluated (svg/conditions.py), layers
and nested rules resolved. Rules of other kinds style nothing that we draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import cssselect2
import tinycss2

from svg.conditions import is_supported, matches_media

UNLAYERED = 1 << 30
UNRESOLVED_RULES = {"@container", "@scope", "@starting-style"}
MAX_NESTED = 20  # levels of rules in rules
MAX_SELECTORS = 100_000  # characters of a nested selector: each level repeats those around it


class Declaration(NamedTuple):
    """A property and its value as text."""

    name: str
    value: str
    important: bool


class Weighed(NamedTuple):
    """Declarations of a rule, with the rank of its layer."""

    layer: int
    declarations: tuple[Declaration, ...]


Supports = Callable[[str, str], bool]  # whether a browser knows a property with a value


class Stylesheets:
    """The rules of the <style> elements of a drawing."""

    def __init__(self, root: Any, texts: Iterable[str], supports: Supports):
        self.matcher = cssselect2.Matcher()
        self.supports = supports
        self.layers: dict[str, int] = {}
        self.namespaces: dict[str | None, str] = {}
        self.has_animations = False
        self.unresolved: set[str] = set()  # rules that browsers apply, and we do not
        for text in texts:
            self._add_rules(tinycss2.parse_stylesheet(text, True, True), "", "", 0)
        wrappers = cssselect2.ElementWrapper.from_xml_root(root).iter_subtree()
        self.wrappers = {wrapper.etree_element: wrapper for wrapper in wrappers}

    def _add_rules(self, rules: Iterable[Any], parents: str, layer: str, depth: int) -> None:
        """Add rules and, in a nested list, the declarations between them, which are of the rule around them."""
        plain: list[Any] = []
        for rule in [*rules, None]:
            if rule is not None and rule.type == "declaration":
                plain.append(rule)
                continue
            if plain:
                self._add(parents, plain, layer)
                plain = []
            if rule is None or depth > MAX_NESTED:
                continue
            if rule.type == "qualified-rule":
                selectors = nested_selectors(rule.prelude, parents)
                if len(selectors) <= MAX_SELECTORS:
                    content = tinycss2.parse_blocks_contents(rule.content, True, True)
                    self._add_rules(content, selectors, layer, depth + 1)
            elif rule.type == "at-rule":
                self._add_at_rule(rule, parents, layer, depth)

    def _add_at_rule(self, rule: Any, parents: str, layer: str, depth: int) -> None:
        kind = rule.lower_at_keyword.removeprefix("-webkit-")
        if kind == "keyframes":
            self.has_animations = True
        if kind == "layer" and rule.content is None:
            for name in tinycss2.serialize(rule.prelude).split(","):
                self._layer(layer, name)
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

    def _layer(self, around: str, name: str) -> str:
        """The full name of a layer, which has its rank from its first mention."""
        full = f"{around}.{name.strip() or len(self.layers)}"
        self.layers.setdefault(full, len(self.layers))
        return full

    def _add(self, selectors: str, declarations: list[Any], layer: str) -> None:
        payload = Weighed(self.layers.get(layer, UNLAYERED), tuple(map(as_declaration, declarations)))
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
            for payload, _ in sorted(rules, key=lambda rule, rank=rank: (rank * rule[0].layer, rule[1])):  # type: ignore[misc]
                yield from (one for one in payload.declarations if one.important == important)
            yield from (one for one in own if one.important == important)


def nested_selectors(prelude: Any, parents: str) -> str:
    """The selectors of a rule with those of the rules around it (CSS Nesting 1)."""
    if not parents:
        return tinycss2.serialize(prelude)
    parts: list[list[Any]] = [[]]
    for token in prelude:
        if token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    around = f":is({parents})"
    texts = (tinycss2.serialize(part).strip() for part in parts)
    return ", ".join(text.replace("&", around) if "&" in text else f"{around} {text}" for text in texts)


def compile_selectors(text: str, namespaces: Mapping[str | None, str] | None = None) -> list[Any]:
    """The selectors of a list; none where one of them is none, as the whole rule is invalid then."""
    try:
        return cssselect2.compile_selector_list(text, namespaces)
    except cssselect2.SelectorError:
        return []


def as_declaration(declaration: Any) -> Declaration:
    name = declaration.name if declaration.name.startswith("--") else declaration.lower_name
    return Declaration(name, tinycss2.serialize(declaration.value).strip(), declaration.important)


@lru_cache(maxsize=4096)
def parse_declarations(text: str) -> tuple[Declaration, ...]:
    """The declarations of a `style` attribute."""
    return tuple(as_declaration(one) for one in tinycss2.parse_blocks_contents(text) if one.type == "declaration")
