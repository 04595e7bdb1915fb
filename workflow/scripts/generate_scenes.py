"""Draw scenes of coloured shapes with exact captions: the sanity check that training works at all.

Output: raw samples as JSON lines (id, svg, captions, split, group). Two to four shapes, small or large, each in its own
colour, sit like beads on a level or an upright wire; they are drawn and named from left to right or from top to bottom.
No two scenes show the same, so none repeats across splits.

    python workflow/scripts/generate_scenes.py --n-train 450 --n-validation 20 --n-test 40 --seed 7 --output s.jsonl
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

from core.command import log, run_command
from core.records import write_json_lines
from samples.scenes import COLOURS, SHAPES, Facts, Thing, write_captions

CANVAS = 128
MIDDLE = 64  # the level wire's y, the upright wire's x
PLACES = (16, 40, 88, 112)  # along it
# The wire tells a row from a column in one letter (H or V). Without it, SmolLM2 135M learned shapes, colours and sizes
# in 240 steps of 4 but took every second row for a column: it had to compare numbers.
WIRES = {True: f"M8 {MIDDLE}H120", False: f"M{MIDDLE} 8V120"}
RADIUS = {False: 5, True: 11}  # of small and large shapes: neighbours never touch


def draw_facts(random_numbers: random.Random) -> Facts:
    """A scene's facts: how many things, in a row or a column, which."""
    n_things = random_numbers.choice([2, 2, 2, 2, 2, 3, 3, 4])  # few mostly: short drawings are quick to learn from
    colours = random_numbers.sample(COLOURS, n_things)
    things = tuple(Thing(random_numbers.choice(SHAPES), colour, random_numbers.random() < 0.5) for colour in colours)
    return Facts(random_numbers.random() < 0.5, things)


def draw_scene(facts: Facts, random_numbers: random.Random) -> str:
    """The SVG of a scene: its things at places of its wire, which is last, nearest to where a caption begins."""
    places = sorted(random_numbers.sample(PLACES, len(facts.things)))
    centres = [(place, MIDDLE) if facts.row else (MIDDLE, place) for place in places]
    wire = f'<path d="{WIRES[facts.row]}" stroke="black"/>'
    body = "".join(draw_thing(thing, *centre) for thing, centre in zip(facts.things, centres, strict=True))
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {CANVAS} {CANVAS}">{body}{wire}</svg>'


def draw_thing(thing: Thing, x: int, y: int) -> str:
    """One shape, centred at (x, y)."""
    r = RADIUS[thing.large]
    if thing.shape == "circle":
        geometry = f'circle cx="{x}" cy="{y}" r="{r}"'
    elif thing.shape == "square":
        geometry = f'rect x="{x - r}" y="{y - r}" width="{2 * r}" height="{2 * r}"'
    else:
        geometry = f'path d="M{x} {y - r}L{x + r} {y + r}H{x - r}z"'
    return f'<{geometry} fill="{thing.colour}"/>'


def generate_scenes(sizes: dict[str, int], seed: int) -> Iterator[dict[str, object]]:
    """Raw samples of all splits; a scene's facts occur once."""
    random_numbers = random.Random(seed)
    seen: set[Facts] = set()
    for split, size in sizes.items():
        for number in range(size):
            facts = draw_facts(random_numbers)
            while facts in seen:
                facts = draw_facts(random_numbers)
            seen.add(facts)
            yield {
                "id": f"scene-{split}-{number:05}",
                "svg": draw_scene(facts, random_numbers),
                "captions": write_captions(facts),
                "split": split,
                "group": f"scene-{split}-{number:05}",
            }


def main(*, n_train: int, n_validation: int, n_test: int, seed: int, output: Path) -> None:
    """Write the scenes of all splits as JSON lines."""
    sizes = {"train": n_train, "validation": n_validation, "test": n_test}
    write_json_lines(output, generate_scenes(sizes, seed))
    log("generate_scenes", f"{sum(sizes.values())} scenes of two to four shapes")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Draw scenes of coloured shapes with exact captions.")
    parser.add_argument("--n-train", type=int, default=450)
    parser.add_argument("--n-validation", type=int, default=20)
    parser.add_argument("--n-test", type=int, default=40)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="JSON lines")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
