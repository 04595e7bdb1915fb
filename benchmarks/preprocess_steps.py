"""Measure what each step of level `compact` saves: tokens and texts without it against those with all steps.

    python benchmarks/preprocess_steps.py --records path_records.json --folder /usr/share/icons --canvas 512

Corpora: the demo's OpenMoji drawings, generated scenes, path records (--records, a JSON array of objects with `xml`),
and SVG files (--folder). Tokens are counted by pattern as Llama 3 splits text. The last line is JSON: for each corpus
and step, the share of tokens that the step saves and the share of the texts that it changes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"), str(Path(__file__).parent)]

from preprocess import read_corpora  # noqa: E402

from core.command import run_command  # noqa: E402
from generate_scenes import generate_scenes  # noqa: E402
from samples.split_statistics import count_tokens  # noqa: E402
from svg.canonical import canonicalise  # noqa: E402

# Step -> what stands in the place of its functions.
STEPS: dict[str, dict[str, Any]] = {
    "simplify.py: fewer segments": {"svg.compact.simplify_outlines": lambda outlines, _: [False] * len(outlines)},
    "pieces.py: shapes joined": {"svg.compact.join_pieces": lambda pieces, _: pieces},
    "pieces.py: stated once by the root": {"svg.compact.common_attributes": lambda _: {}},
    "pieces.py: stated once by a group": {"svg.pieces.shared_by_group": lambda _: None},
    "basic_shapes.py": {"svg.compact.basic_shape": lambda *_: "", "svg.pieces.basic_shape": lambda *_: ""},
    "fill_rule.py": {"svg.pieces.as_nonzero": lambda _: None},
    "normal.py: start and direction": {
        "svg.normal.runs_backwards": lambda _: False,
        "svg.normal.begin_at_the_top": lambda _: None,
    },
    "windows.py: what is beside left out": {
        "svg.windows.overlap": lambda *_: True,
        "svg.compact.Windows.is_wider": lambda *_: False,
    },
}


def write_texts(raw: list[str], canvas: int, without: dict[str, Any]) -> list[str]:
    """The compact texts of drawings, with some functions replaced."""
    patches = [patch(name, function) for name, function in without.items()]
    for one in patches:
        one.start()
    try:
        return [canonicalise(text, canvas, 0, "compact").xml for text in raw]
    finally:
        for one in patches:
            one.stop()


def main(*, records: Path | None, folder: Path | None, n: int, canvas: int) -> None:
    """Print a table for each corpus, then all as JSON."""
    corpora = read_corpora(records, folder, n)
    corpora["scenes"] = [str(scene["svg"]) for scene in generate_scenes({"train": n}, seed=6)]
    results: dict[str, dict[str, dict[str, float]]] = {}
    for corpus, raw in corpora.items():
        whole = write_texts(raw, canvas, {})
        n_tokens = sum(map(count_tokens, whole))
        print(f"{corpus}: {len(raw)} drawings, {n_tokens:,} tokens on a canvas of {canvas}")
        for step, without in STEPS.items():
            texts = write_texts(raw, canvas, without)
            saved = 1 - n_tokens / sum(map(count_tokens, texts))
            changed = sum(one != other for one, other in zip(texts, whole, strict=True)) / len(raw)
            print(f"  {step:38}{saved:8.1%} of the tokens, {changed:6.1%} of the texts")
            results.setdefault(corpus, {})[step] = {"saved": round(saved, 4), "changed": round(changed, 4)}
    print(json.dumps(results))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, help="JSON array of path records, in fields `xml`")
    parser.add_argument("--folder", type=Path, help="folder of SVG files")
    parser.add_argument("-n", type=int, default=150, help="drawings of a corpus, at most")
    parser.add_argument("--canvas", type=int, default=512, help="side of the canvas in units")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
