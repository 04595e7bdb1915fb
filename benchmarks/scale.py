"""Measure that preprocessing and rendering stream: time grows with the number of drawings, memory does not.

    python benchmarks/scale.py --sizes 2000 8000 32000 --output benchmarks/scale.json

Generated drawings of the size of icons, as JSON lines, go through `preprocess_svg` and `render_png` as commands, once
for each size. Measured are seconds and the peak memory of the largest process of each command. The last line is JSON:

* `memory_growth`: peak memory at the largest size over that at the smallest, the larger of the two commands;
* `time_growth`, `cpu_time_growth`: seconds a drawing (of the clock, of the processors) at the largest size over those
  at the smallest, the larger of the two commands;
* `peak_mb`: the largest process of all.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from core.command import log, run_command  # noqa: E402
from core.records import write_json  # noqa: E402

COLOURS = ("red", "green", "blue", "teal", "purple", "#123456", "#fa8072", "black")
SHAPES = ("square", "circle", "triangle")
NAMESPACE = "http://www.w3.org/2000/svg"


@dataclass
class Cost:
    """What a command needed for a number of drawings."""

    command: str
    n_drawings: int
    seconds: float
    cpu_seconds: float  # of all processes; other work on the machine raises the seconds more than these
    peak_mb: float


def write_drawings(path: Path, number: int, seed: int) -> None:
    """JSON lines of different drawings, each of ten shapes."""
    generator = random.Random(seed)
    with open(path, "w", encoding="utf-8") as file:
        for position in range(number):
            xml = f'<svg xmlns="{NAMESPACE}" viewBox="0 0 100 100">{draw_shapes(generator)}</svg>'
            caption = f"drawing number {position} of generated shapes"
            file.write(json.dumps({"id": f"d{position}", "svg": xml, "caption": caption, "split": "train"}) + "\n")


def draw_shapes(generator: random.Random) -> str:
    shapes = []
    for _ in range(10):
        x, y, size = (generator.randint(5, 60) for _ in range(3))
        colour = generator.choice(COLOURS)
        forms = {
            "square": f'<rect x="{x}" y="{y}" width="{size}" height="{size}" fill="{colour}"/>',
            "circle": f'<circle cx="{x}" cy="{y}" r="{size / 2}" style="fill:{colour}"/>',
            "triangle": f'<path d="M{x} {y}l{size} 0q3 9-{size} {size}z" fill="{colour}"/>',
        }
        shapes.append(forms[generator.choice(SHAPES)])
    return "".join(shapes)


def measure(name: str, n_drawings: int, arguments: list[object]) -> Cost:
    """Run a script as a command and watch the memory of its processes."""
    start, cpu_start = time.perf_counter(), cpu_seconds_of_children()
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    peaks = [0.0]
    watcher = threading.Thread(target=watch_memory, args=(process.pid, peaks))
    watcher.start()
    errors = process.communicate()[1]
    watcher.join()
    if process.returncode:
        sys.exit(f"{name} failed:\n{errors[-2000:]}")
    cost = Cost(name, n_drawings, time.perf_counter() - start, cpu_seconds_of_children() - cpu_start, max(peaks))
    log("scale", f"{name}, {n_drawings} drawings: {cost.seconds:.1f} s, peak {cost.peak_mb:.0f} MB")
    return cost


def cpu_seconds_of_children() -> float:
    """Seconds of the processors that ended processes of ours took, theirs included."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def watch_memory(pid: int, peaks: list[float]) -> None:
    """Append the resident memory of the largest process of a tree, until it ends; in MB."""
    try:
        root = psutil.Process(pid)
        while root.status() != psutil.STATUS_ZOMBIE:
            family = [root, *root.children(recursive=True)]
            peaks.append(max(process.memory_info().rss for process in family) / 1e6)
            time.sleep(0.2)
    except psutil.NoSuchProcess:
        return  # it has ended


def measure_size(folder: Path, n_drawings: int, workers: int) -> list[Cost]:
    """The costs of both commands for a number of drawings."""
    write_drawings(folder / "drawings.jsonl", n_drawings, seed=n_drawings)
    names = {"output": "samples.parquet", "rejected": "rejected.csv", "counts": "counts.json"}
    outputs = [part for option, name in names.items() for part in (f"--{option}", folder / name)]
    preprocess = ["--input", folder / "drawings.jsonl", "--workers", workers, *outputs]
    render = ["--samples", folder / "samples.parquet", "--workers", workers, "--output", folder / "images.parquet"]
    return [measure("preprocess_svg", n_drawings, preprocess), measure("render_png", n_drawings, render)]


def growth(costs: list[Cost], value: str, per_drawing: bool) -> float:
    """A cost at the largest size over that at the smallest, the larger of the commands'."""
    ratios = []
    for name in dict.fromkeys(cost.command for cost in costs):
        own = sorted((cost for cost in costs if cost.command == name), key=lambda cost: cost.n_drawings)
        ends = [getattr(cost, value) / (cost.n_drawings if per_drawing else 1) for cost in (own[0], own[-1])]
        ratios.append(ends[1] / ends[0])
    return round(max(ratios), 3)


def main(*, sizes: list[int], workers: int, output: Path | None) -> None:
    """Measure all sizes, print a table, and the results as JSON in the last line."""
    costs: list[Cost] = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="scale-") as folder:
            costs += measure_size(Path(folder), size, workers)
    print(
        "| command | drawings | seconds | CPU seconds | drawings/s | peak MB of a process |\n|---|---|---|---|---|---|"
    )
    for cost in costs:
        times = f"{cost.seconds:.1f} | {cost.cpu_seconds:.0f} | {cost.n_drawings / cost.seconds:.0f}"
        print(f"| {cost.command} | {cost.n_drawings} | {times} | {cost.peak_mb:.0f} |")
    results = {
        "n_drawings": sizes,
        "workers": workers,
        "memory_growth": growth(costs, "peak_mb", per_drawing=False),
        "time_growth": growth(costs, "seconds", per_drawing=True),
        "cpu_time_growth": growth(costs, "cpu_seconds", per_drawing=True),
        "peak_mb": round(max(cost.peak_mb for cost in costs)),
    }
    if output:
        write_json(output, results)
    print(json.dumps(results))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure time and memory of preprocessing and rendering by size.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000, 16000], help="numbers of drawings")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes of each command")
    parser.add_argument("--output", type=Path, help="also write the results there")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
