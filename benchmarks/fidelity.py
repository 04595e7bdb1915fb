"""Measure how many texts and pictures of the workflow look other than what a browser draws of the drawing itself.

    npm install --prefix icons flag-icons @twemoji/svg @tabler/icons devicon @bybas/weather-icons simple-icons
    python benchmarks/fidelity.py --folder icons/node_modules/flag-icons icons/node_modules/devicon --mixed

Of each folder `-n` drawings take part, the same for the same seed; with --mixed those of benchmarks/render.py as well,
and these alone where no folder is named.
They are preprocessed and rendered by the workflow's own commands. Chromium draws the drawing as it came and the
canonical text, and both pictures and the workflow's PNG are compared at 224 pixels. One differs visibly when the mean
absolute difference is over 4 of 255, or that of a cell of 16 x 16 pixels over 40. A rejected record counts as one that
differs, unless Chromium cannot draw it either or draws nothing. --checkout measures another checkout, such as an older
one, in the same way.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "benchmarks")]

from render import Drawing, draw_in_chromium, find_mixed_drawings, read_picture  # noqa: E402

from core.command import log, run_command  # noqa: E402
from core.records import read_images, read_samples, write_json  # noqa: E402
from svg.bytes import Undecodable, decode_drawing  # noqa: E402

SIZE, CELL = 224, 16
MOST_MEAN, MOST_CELL = 4.0, 40.0  # of 255


def find_drawings(folder: Path, number: int, seed: int) -> list[Drawing]:
    """So many drawings of a folder."""
    paths = sorted(path for path in folder.rglob("*.svg") if not path.is_symlink())
    drawings = []
    for path in random.Random(seed).sample(paths, min(number, len(paths))):
        try:
            text, _ = decode_drawing(path.read_bytes())
        except Undecodable:
            continue
        drawings.append(Drawing(f"{folder.name}/{path.relative_to(folder)}", folder.name, text))
    return drawings


def run_workflow(drawings: list[Drawing], checkout: Path, folder: Path, workers: int) -> dict[str, tuple[str, bytes]]:
    """Canonical text and PNG by the id of a drawing, of those that a checkout's commands keep."""
    data = folder / "drawings.jsonl"
    with data.open("w") as file:
        for n, drawing in enumerate(drawings):
            print(json.dumps({"id": str(n), "svg": drawing.text, "caption": f"the house of number {n}"}), file=file)
    samples, images = folder / "samples.parquet", folder / "images.parquet"
    scripts = checkout / "workflow" / "scripts"
    options = ["--workers", str(workers), "--output"]
    files = ["--rejected", folder / "rejected.csv", "--counts", folder / "counts.json"]
    command = [sys.executable, scripts / "preprocess_svg.py", "--input", data, *files, *options, samples]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, scripts / "render_png.py", "--samples", samples, *options, images], check=True)
    pngs = {image.id: image.png for image in read_images(images)}
    return {drawings[int(one.id)].id: (one.xml, pngs[one.id] or b"") for one in read_samples(samples)}


def differs(picture: np.ndarray | None, reference: np.ndarray) -> bool:
    """Whether a picture differs visibly from the reference, both (224, 224, 3); none does."""
    if picture is None:
        return True
    difference = np.abs(picture - reference).mean(axis=2)
    cells = difference.reshape(SIZE // CELL, CELL, SIZE // CELL, CELL).mean(axis=(1, 3))
    return bool(difference.mean() > MOST_MEAN or cells.max() > MOST_CELL)


def main(
    *, folder: list[Path], mixed: bool, number: int, seed: int, checkout: Path, workers: int, output: Path | None
) -> None:
    """Measure, print a table, and the results as JSON in the last line."""
    drawings = [drawing for one in folder for drawing in find_drawings(one, number, seed)]
    drawings += find_mixed_drawings(seed, scale=1.0) if mixed or not folder else []
    log("fidelity", f"{len(drawings)} drawings; Chromium draws them")
    draw_in_chromium(drawings, SIZE)
    drawings = [one for one in drawings if one.pictures["Chromium"] is not None and np.ptp(one.pictures["Chromium"])]
    with tempfile.TemporaryDirectory() as temporary:
        made = run_workflow(drawings, checkout, Path(temporary), workers)
    texts = {one.id: Drawing(one.id, one.set, made[one.id][0]) for one in drawings if one.id in made}
    draw_in_chromium(list(texts.values()), SIZE)
    for drawing in drawings:
        xml, png = made.get(drawing.id, ("", b""))
        drawing.pictures["text"] = texts[drawing.id].pictures["Chromium"] if xml else None
        drawing.pictures["png"] = read_picture(png) if png else None
    results = {}
    print("| drawings | n | rejected | texts that differ | pictures that differ |\n|---|---|---|---|---|")
    for name in ["all", *dict.fromkeys(drawing.set for drawing in drawings)]:
        group = [drawing for drawing in drawings if name in ("all", drawing.set)]
        rejected = sum(drawing.id not in made for drawing in group)
        bad = {
            kind: [one.id for one in group if differs(one.pictures[kind], one.pictures["Chromium"])]
            for kind in ("text", "png")
        }
        shares = {kind: len(ids) / len(group) for kind, ids in bad.items()}
        print(f"| {name} | {len(group)} | {rejected} | {shares['text']:.1%} | {shares['png']:.1%} |")
        results[name] = {"n": len(group), "rejected": rejected, **shares, "bad": bad if name != "all" else {}}
    if output:
        write_json(output, results)
    print(
        json.dumps({name: {key: one[key] for key in ("n", "rejected", "text", "png")} for name, one in results.items()})
    )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, nargs="*", default=[], help="folders of SVG files")
    parser.add_argument("--mixed", action="store_true", help="also the mixed drawings of benchmarks/render.py")
    parser.add_argument("-n", dest="number", type=int, default=150, help="drawings of a folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkout", type=Path, default=ROOT, help="the checkout to measure")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, help="also write the results, with the ids of those that differ")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
