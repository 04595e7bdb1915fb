"""Measure preprocessing against scour and svgo: tokens at equal fidelity, and drawings a second.

    python benchmarks/preprocess.py --records path_records.json --folder /usr/share/openclipart --output preprocess.json

Corpora: the demo's OpenMoji drawings, path records (--records, a JSON array of the field's own format), and real-world
drawings (--folder of SVG files). The raw text of each is the repaired drawing with its titles; what not all sides can
read is left out. Each side's text is drawn at 224 px and compared with the raw drawing.

svgo has no canvas: its precision is of each drawing's own units. It is run with the default preset and --multipass at
each precision from 0 to 3, and at precision 0 on drawings put on our canvas, which is our precision; the one compared
with ours has the fewest tokens of those at least as faithful as ours (mean absolute difference over the corpus), or is
the most faithful where none is. With --canvas 720 the grid of the OpenMoji drawings is that of svgo at precision 1.
Tokens are counted by pattern as Llama 3 splits text (three digits a token), and by the tokenizers given (--tokenizer;
SmolLM2 and Gemma have a token a digit).

* `token_ratio_vs_svgo`: tokens of svgo over ours, the smallest over corpora and ways to count.
* `drawings_per_second`: of OpenMoji on one core, the text without the render check.
* `records_per_second`: the same with all else that becomes of a record: its captions checked, label leakage looked for.
* `render_checked_records_per_second`: the same with the render check.

Node.js with npm is needed; svgo is installed at its pinned version into a temporary folder. scour is compared where the
package is installed.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from lxml import etree

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from build_openmoji import find_drawings, join_samples, read_captions  # noqa: E402
from core.command import InputError, log, run_command  # noqa: E402
from core.records import write_json  # noqa: E402
from readers.entries import RawRecord  # noqa: E402
from samples.making import Settings, process_record  # noqa: E402
from samples.reference_checks import ReferenceChecks  # noqa: E402
from samples.render_check import draw_picture  # noqa: E402
from samples.split_statistics import count_tokens  # noqa: E402
from svg.bytes import decode_drawing  # noqa: E402
from svg.canonical import canonicalise  # noqa: E402
from svg.parse import SVG_NAMESPACE  # noqa: E402
from svg.shapes import find_view  # noqa: E402

SVGO = "svgo@4.1.0"
SCOUR_OPTIONS = """
--enable-viewboxing --enable-id-stripping --enable-comment-stripping --shorten-ids --indent=none
--remove-descriptive-elements --strip-xml-prolog --quiet
"""
PRECISIONS = (0, 1, 2, 3)
Counters = dict[str, Callable[[str], int]]


@dataclass
class Side:
    """The texts of one side for a corpus, and how far their pictures are from the raw ones."""

    texts: list[str]
    difference: float = 0.0  # mean absolute, of 255
    tokens: dict[str, int] = field(default_factory=dict)


def main(
    *, records: Path | None, folder: Path | None, tokenizer: list[str], n: int, canvas: int, output: Path | None
) -> None:
    """Measure all corpora and print the results as JSON; also write them to `output` where given."""
    if not shutil.which("npm"):
        raise InputError("npm is needed for svgo: install Node.js")
    counters = load_counters(tokenizer)
    results: dict[str, object] = {"n": n, "canvas": canvas, "corpora": {}}
    ratios = []
    with tempfile.TemporaryDirectory() as temporary:
        svgo = install_svgo(Path(temporary))
        for name, raw in read_corpora(records, folder, n).items():
            sides = measure_corpus(raw, svgo, Path(temporary) / name, counters, canvas)
            rival = choose_rival(sides)
            corpus_ratios = {kind: sides[rival].tokens[kind] / sides["ours"].tokens[kind] for kind in counters}
            ratios += corpus_ratios.values()
            print_table(name, sides, rival)
            table = {side: {"difference": one.difference, **one.tokens} for side, one in sides.items()}
            results["corpora"][name] = {"n": len(raw), "svgo": rival, "ratios": corpus_ratios, **table}  # type: ignore[index]
    speeds = measure_speeds(canvas)
    results |= {"token_ratio_vs_svgo": min(ratios), **speeds}
    if output:
        write_json(output, results)
    print(json.dumps({key: results[key] for key in ("token_ratio_vs_svgo", *speeds)}))


def load_counters(tokenizers: list[str]) -> Counters:
    """Ways to count tokens: by pattern, and by the tokenizers of local folders (`name=folder`)."""
    counters: Counters = {"pattern": count_tokens}
    for entry in tokenizers:
        from transformers import AutoTokenizer

        name, _, folder = entry.partition("=")
        loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        counters[name] = lambda text, loaded=loaded: len(loaded(text, add_special_tokens=False)["input_ids"])
    return counters


def install_svgo(folder: Path) -> Path:
    """Install svgo into a folder; returns its command."""
    subprocess.run(["npm", "install", "--silent", "--prefix", folder, SVGO], check=True, capture_output=True)
    return folder / "node_modules" / ".bin" / "svgo"


def read_corpora(records: Path | None, folder: Path | None, n: int) -> dict[str, list[str]]:
    """The raw drawings of each corpus that is there, at most `n`, drawn by a fixed seed; all can be read by us."""
    texts = {"openmoji": [path.read_text(encoding="utf-8") for path in find_drawings().values()]}
    if records:
        texts["records"] = [entry["xml"] for entry in json.loads(records.read_text(encoding="utf-8"))]
    if folder:
        paths = sorted(folder.rglob("*.svg"))
        texts["folder"] = [
            decode_drawing(path.read_bytes())[0] for path in random.Random(1).sample(paths, min(4 * n, len(paths)))
        ]
    corpora = {}
    for name, everything in texts.items():
        random.Random(1).shuffle(everything)
        readable = (repaired for text in everything if (repaired := repair(text)))
        corpora[name] = [text for text, _ in zip(readable, range(n), strict=False)]
    return corpora


def repair(text: str) -> str:
    """The drawing as XML that every side can read; empty where we cannot."""
    try:
        repaired = canonicalise(text, 512, 0, "none").xml
        draw_picture(repaired)
    except Exception:  # whatever is wrong with it: a benchmark needs drawings that all sides can read
        return ""
    return repaired


def measure_corpus(raw: list[str], svgo: Path, folder: Path, counters: Counters, canvas: int) -> dict[str, Side]:
    """All sides of a corpus with their differences and tokens."""
    inputs, placed = folder / "raw", folder / "placed"
    write_files(raw, inputs)
    write_files([put_on_canvas(text, canvas) for text in raw], placed)
    sides = {
        "raw": Side(raw),
        "ours": Side([canonicalise(text, canvas, 0, "compact").xml for text in raw]),
        "svgo": Side(run_svgo(svgo, inputs, folder / "svgo", len(raw))),
    }
    if importlib.util.find_spec("scour"):
        sides["scour"] = Side(run_scour(inputs, len(raw)))
    runs = {f"svgo multipass {precision}": (inputs, precision) for precision in PRECISIONS}
    for name, (source, precision) in {**runs, "svgo our canvas 0": (placed, 0)}.items():
        options = ("--multipass", "--precision", str(precision))
        sides[name] = Side(run_svgo(svgo, source, folder / name, len(raw), *options))
    pictures = [draw_picture(text) for text in raw]
    for side in sides.values():
        differences = [
            np.abs(draw_picture(text) - picture).mean() for text, picture in zip(side.texts, pictures, strict=True)
        ]
        side.difference = float(np.mean(differences))
        side.tokens = {name: sum(map(count, side.texts)) for name, count in counters.items()}
    return sides


def write_files(texts: list[str], folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, text in enumerate(texts):
        (folder / f"{number}.svg").write_text(text, encoding="utf-8")


def put_on_canvas(text: str, canvas: int) -> str:
    """The drawing in a group that puts its view, aspect kept, in the middle of our canvas."""
    root = etree.fromstring(text.encode())
    (x, y, width, height), _ = find_view(root)
    scale = canvas / max(width, height)
    left, top = (canvas - scale * width) / 2 - scale * x, (canvas - scale * height) / 2 - scale * y
    group = etree.Element(
        f"{{{SVG_NAMESPACE}}}g", transform=f"matrix({scale:.9g} 0 0 {scale:.9g} {left:.9g} {top:.9g})"
    )
    group.extend(list(root))
    for name, value in root.attrib.items():
        if name not in ("viewBox", "width", "height", "x", "y"):
            group.set(name, value)
    placed = etree.Element(f"{{{SVG_NAMESPACE}}}svg", viewBox=f"0 0 {canvas} {canvas}", nsmap=root.nsmap)
    placed.append(group)
    return etree.tostring(placed, encoding="unicode")


def run_svgo(svgo: Path, inputs: Path, outputs: Path, n: int, *options: str) -> list[str]:
    subprocess.run([svgo, "-q", "-f", inputs, "-o", outputs, *options], check=True, capture_output=True)
    return [(outputs / f"{number}.svg").read_text(encoding="utf-8") for number in range(n)]


def run_scour(inputs: Path, n: int) -> list[str]:
    """What scour makes of the drawings with the options that its documentation names for the smallest result."""
    from scour import scour

    options = scour.parse_args(SCOUR_OPTIONS.split())
    texts = []
    for number in range(n):
        text = (inputs / f"{number}.svg").read_text(encoding="utf-8")
        try:
            texts.append(scour.scourString(text, options).strip())
        except (SyntaxError, ValueError, TypeError):  # it stops at path data that every renderer draws
            texts.append(text)
    return texts


def choose_rival(sides: dict[str, Side]) -> str:
    """The side of svgo with the fewest tokens among those as faithful as ours, else the most faithful."""
    rivals = {name: side for name, side in sides.items() if name.startswith("svgo")}
    faithful = {name: side for name, side in rivals.items() if side.difference <= sides["ours"].difference}
    if faithful:
        return min(faithful, key=lambda name: faithful[name].tokens["pattern"])
    return min(rivals, key=lambda name: rivals[name].difference)


def measure_speeds(canvas: int) -> dict[str, float]:
    """Drawings and records a second of CPU time of one process, OpenMoji at level compact."""
    raw = join_samples(find_drawings(), read_captions())[0][::4]
    records = [RawRecord(number, one["id"], one["svg"], one["captions"], "", "") for number, one in enumerate(raw)]
    gc.freeze()  # what the benchmark holds is no part of the work

    def process(record: RawRecord, render_check: bool) -> None:
        process_record(record, "openmoji", Settings(canvas, render_check=render_check), ReferenceChecks(), None)

    def write(record: RawRecord) -> None:
        canonicalise(record.drawing or "", canvas, 0, "compact")

    return {
        "drawings_per_second": measure_speed(write, records),
        "records_per_second": measure_speed(lambda record: process(record, False), records),
        "render_checked_records_per_second": measure_speed(lambda record: process(record, True), records),
    }


def measure_speed(work: Callable[[RawRecord], object], records: list[RawRecord], seconds: float = 10.0) -> float:
    """How many records a second of CPU time go through `work`."""
    done, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        work(records[done % len(records)])
        done += 1
    return done / (time.process_time() - start)


def print_table(name: str, sides: dict[str, Side], rival: str) -> None:
    log("benchmark", f"{name}: {len(sides['raw'].texts)} drawings")
    for side, one in sides.items():
        tokens = "  ".join(f"{kind} {number:>9,}" for kind, number in one.tokens.items())
        print(f"  {side:18} difference {one.difference:6.3f}  {tokens}{'  <- compared' if side == rival else ''}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, help="JSON array of path records, in fields `xml`")
    parser.add_argument("--folder", type=Path, help="folder of SVG files")
    parser.add_argument("--tokenizer", nargs="*", default=[], help="name=folder of tokenizers to count by")
    parser.add_argument("-n", type=int, default=150, help="drawings of a corpus, at most")
    parser.add_argument("--canvas", type=int, default=512, help="side of our canvas in units")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
