"""The fonts for text in drawings: only declared ones, so that a picture is the same on every machine.

The bundled fonts are the DejaVu families that come with the locked version of matplotlib; `render.fonts` of the
configuration adds files or folders. Text in a family that is not there is set in one of its kind, and flagged.
"""

from __future__ import annotations

import importlib.util
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from lxml import etree

from core.command import InputError
from svg.guard import plain_name

SUFFIXES = {".ttf", ".otf", ".ttc"}
GENERIC = {"sans-serif": "DejaVu Sans", "serif": "DejaVu Serif", "monospace": "DejaVu Sans Mono"}
GENERIC |= dict.fromkeys(("cursive", "fantasy", "system-ui", "ui-sans-serif"), "DejaVu Sans")
# What editors write for a generic family.
ALIASES = {"sans": "sans-serif", "mono": "monospace", "bitstream vera sans": "sans-serif"}
ALIASES |= {"bitstream vera serif": "serif", "bitstream vera sans mono": "monospace"}
# The kind of letter of frequent families: text in one that is not there keeps at least that.
KIND_NAMES = {
    "sans-serif": "arial, helvetica, helvetica neue, verdana, tahoma, trebuchet ms, segoe ui, calibri, roboto, "
    "open sans, noto sans, liberation sans, luxi sans, lucida grande, ubuntu, comic sans ms, impact",
    "serif": "times new roman, times, georgia, garamond, liberation serif, luxi serif",
    "monospace": "courier new, courier, consolas, liberation mono, andale mono",
}
KINDS = {name: kind for kind, names in KIND_NAMES.items() for name in names.split(", ")}

_FAMILY = re.compile(r"font-family\s*:\s*([^;}!]+)", re.IGNORECASE)
_SHORTHAND = re.compile(r"(?<![\w-])font\s*:[^;}]*?\d\S*\s+([^;}!]+)", re.IGNORECASE)


def bundled_fonts() -> list[Path]:
    """The DejaVu files of matplotlib, in a fixed order."""
    matplotlib = importlib.util.find_spec("matplotlib")
    if matplotlib is None or matplotlib.origin is None:
        raise InputError("the bundled fonts are missing; install matplotlib as requirements.lock names it")
    return sorted((Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf").glob("DejaVu*.ttf"))


@cache
def find_fonts(extra: tuple[str, ...]) -> tuple[str, ...]:
    """All font files, the bundled ones first. Raises InputError for a path without any."""
    files = bundled_fonts()
    for path in map(Path, extra):
        found = sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not found or not all(file.is_file() for file in found):
            raise InputError(f"render.fonts: {path} is no font file and no folder with .ttf, .otf or .ttc files")
        files += found
    return tuple(str(file) for file in files)


@contextmanager
def declared_fonts(files: tuple[str, ...]) -> Iterator[str]:
    """Let this process, and those that it starts, see these fonts alone through fontconfig, which cairo asks.

    Yields the folder that fontconfig reads.
    """
    before = os.environ.get("FONTCONFIG_FILE")
    with tempfile.TemporaryDirectory(prefix="fonts-") as folder:
        for number, file in enumerate(files):
            os.symlink(os.path.abspath(file), Path(folder) / f"{number}-{Path(file).name}")
        families = "".join(
            f"<alias binding='same'><family>{name}</family><prefer><family>{family}</family></prefer></alias>"
            for name, family in [
                *GENERIC.items(),
                *((name, GENERIC[generic]) for name, generic in (ALIASES | KINDS).items()),
            ]
        )
        settings = Path(folder) / "fonts.conf"
        settings.write_text(
            f"<fontconfig><dir>{folder}</dir><cachedir>{folder}</cachedir>{families}</fontconfig>", encoding="utf-8"
        )
        os.environ["FONTCONFIG_FILE"] = str(settings)
        try:
            yield folder
        finally:
            if before is None:
                del os.environ["FONTCONFIG_FILE"]
            else:
                os.environ["FONTCONFIG_FILE"] = before


@cache
def known_fonts(files: tuple[str, ...]) -> tuple[frozenset[str], frozenset[int]]:
    """The families of font files in lower case, and the characters that any of them can draw."""
    from fontTools.ttLib import TTCollection, TTFont, TTLibError

    families: set[str] = set()
    characters: set[int] = set()
    for file in files:
        try:
            fonts = TTCollection(file).fonts if file.lower().endswith(".ttc") else [TTFont(file, lazy=True)]
            for font in fonts:
                names = (font["name"].getDebugName(number) for number in (1, 16))
                families |= {name.lower() for name in names if name}
                characters |= font.getBestCmap().keys()
        except (TTLibError, OSError, KeyError, AttributeError) as error:
            raise InputError(f"render.fonts: {file} cannot be read as a font ({error})") from error
    return frozenset(families), frozenset(characters)


def has_text(root: etree._Element) -> bool:
    """Whether a drawing holds text to draw."""
    return next(root.iter("{*}text"), None) is not None


def flag_fonts(root: etree._Element, files: tuple[str, ...]) -> set[str]:
    """Flags of a drawing's text: `missing_font`, `missing_glyph`."""
    if not has_text(root):
        return set()
    families, characters = known_fonts(files)
    flags = set()
    if any(not is_known(stack, families) for stack in family_stacks(root)):
        flags.add("missing_font")
    if any(not character.isspace() and ord(character) not in characters for character in drawn_text(root)):
        flags.add("missing_glyph")
    return flags


def drawn_text(root: etree._Element) -> set[str]:
    """The characters inside text elements."""
    return {character for element in root.iter("{*}text") for part in element.itertext() for character in part}


def family_stacks(root: etree._Element) -> set[str]:
    """The lists of families that a drawing with text names, in attributes, styles and stylesheets."""
    stacks = set()
    for element in root.iter(etree.Element):
        stacks.add(element.get("font-family") or "")
        for text in (element.get("style") or "", css_of(element)):
            if "font" in text:
                stacks.update(found[1] for pattern in (_FAMILY, _SHORTHAND) for found in pattern.finditer(text))
    return {stack.strip() for stack in stacks} - {"", "inherit"}


def css_of(element: etree._Element) -> str:
    """The text of a stylesheet; empty for any other element."""
    return (plain_name(element.tag) == "style" and element.text) or ""


def is_known(stack: str, families: frozenset[str]) -> bool:
    """Whether the first family of a list is there: what its author meant, and not what it falls back to."""
    first = stack.split(",")[0].strip().strip("'\"").strip().lower()
    return ALIASES.get(first, first) in GENERIC or first in families


def resolve_families(root: etree._Element, files: tuple[str, ...]) -> None:
    """Let every list of families of a drawing name fonts that are there, since resvg knows no generic families.

    A generic family becomes the one that stands for it. A list without any that is there gets one at its end, of the
    same kind of letter where we know it.
    """
    families, _ = known_fonts(files)

    def resolve(stack: str) -> str:
        names = [name.strip() for name in stack.split(",")]
        plain = [name.strip("'\"").strip().lower() for name in names]
        if plain in (["inherit"], ["initial"], ["unset"]):
            return stack
        resolved = [GENERIC.get(key, name) for key, name in zip(plain, names, strict=True)]
        if not any(key in GENERIC or key in families for key in plain):
            kinds = [kind for key in plain if (kind := (ALIASES | KINDS).get(key))]
            resolved.append(GENERIC[kinds[0] if kinds else "serif"])
        return ", ".join(resolved)

    def resolve_css(text: str) -> str:
        for pattern in (_FAMILY, _SHORTHAND):
            text = pattern.sub(lambda found: found[0][: found.start(1) - found.start()] + resolve(found[1]), text)
        return text

    for element in root.iter(etree.Element):
        if element.get("font-family"):
            element.set("font-family", resolve(element.get("font-family")))
        if "font" in (element.get("style") or ""):
            element.set("style", resolve_css(element.get("style")))
        if css_of(element):
            element.text = resolve_css(element.text)
