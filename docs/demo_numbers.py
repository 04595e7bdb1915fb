"""The demo's numbers in the README: kept in docs/demo.json, written into the README, compared with a run.

python docs/demo_numbers.py --write results/demo     take a run's numbers over into docs/demo.json and README.md
python docs/demo_numbers.py --compare results/demo   say how a run's numbers differ; fail beyond the tolerance (part of
                                                     `make demo`, and of the tests, which run the demo whole)
python docs/demo_numbers.py --check                  fail where the README or the demo's configuration has changed since
                                                     (part of `make lint`)

The same training ends elsewhere on another processor, whose sums are rounded differently; hence the tolerance.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from report.comparison import Comparison, read_comparison  # noqa: E402  (the path comes first)

RECORD, README = ROOT / "docs" / "demo.json", ROOT / "README.md"
PROFILE = ROOT / "profiles" / "demo" / "experiment.yaml"
# What the README tells: value, slice, and by how much a run may differ.
COLUMNS = {
    "scenes described right": ("scene_accuracy", "source=scenes", 0.15),
    "CIDEr on scenes": ("cider", "source=scenes", 1.5),
    "CIDEr on OpenMoji": ("cider", "source=openmoji", 0.15),
}
BEGIN, END = "<!-- written by docs/demo_numbers.py -->\n", "<!-- end -->\n"


def profile_digest() -> str:
    """The digest of the demo's configuration, whatever its comments and layout."""
    settings = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def read_numbers(comparison: Comparison) -> dict[str, Any]:
    """The numbers of a run, by system and column: score, interval and number of drawings."""
    systems = {}
    for system in comparison.systems:
        found = {column: comparison.cells[system.name, value, where] for column, (value, where, _) in COLUMNS.items()}
        numbers = {
            column: {"score": round(cell.score, 3), "n": cell.n, "low": rounded(cell.low), "high": rounded(cell.high)}
            for column, cell in found.items()
            if cell.score is not None
        }
        systems[system.label] = numbers
    return {"profile": profile_digest(), "systems": systems}


def rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)


def write_table(record: dict[str, Any]) -> str:
    """The table of the README."""
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for label, numbers in record["systems"].items():
        cells = [show(column, numbers[column]) for column in COLUMNS]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def show(column: str, number: dict[str, Any]) -> str:
    """`37 of 40`, or `8.23 (7.87–8.55)`."""
    if COLUMNS[column][0] == "scene_accuracy":
        return f"{number['score'] * number['n']:.0f} of {number['n']}"
    interval = "" if number["low"] is None else f" ({number['low']:.2f}–{number['high']:.2f})"
    return f"{number['score']:.2f}{interval}"


def put_table(readme: str, table: str) -> str:
    """The README with this table between its marks. Raises SystemExit where it has none."""
    if BEGIN not in readme or END not in readme:
        sys.exit(f"{README.name} lacks the lines {BEGIN.strip()} and {END.strip()}: put them where the table belongs")
    return re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: BEGIN + table + END, readme, flags=re.DOTALL)


def differences(record: dict[str, Any], run: dict[str, Any]) -> list[str]:
    """Where a run differs from the record by more than the tolerance."""
    if record["profile"] != run["profile"] or set(record["systems"]) != set(run["systems"]):
        return ["the demo's configuration has changed since the README's numbers were written"]
    return [
        f"{label}, {column}: {run['systems'][label][column]['score']:.3f}, in the README {number['score']:.3f} "
        f"(tolerance {COLUMNS[column][2]})"
        for label, numbers in record["systems"].items()
        for column, number in numbers.items()
        if abs(run["systems"][label][column]["score"] - number["score"]) > COLUMNS[column][2]
    ]


def check() -> list[str]:
    """What in the repository does not fit the record."""
    record, readme = json.loads(RECORD.read_text(encoding="utf-8")), README.read_text(encoding="utf-8")
    faults = []
    if put_table(readme, write_table(record)) != readme:
        faults.append("README.md: its table of the demo is not that of docs/demo.json")
    if record["profile"] != profile_digest():
        faults.append("docs/demo.json: profiles/demo/experiment.yaml has changed since; run make demo")
    return [f"{fault}, then python docs/demo_numbers.py --write results/demo" for fault in faults]


def main() -> None:
    """Write, compare or check; ends with status 1 where something does not fit."""
    parser = argparse.ArgumentParser(description="The demo's numbers in the README.")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", type=Path, metavar="RESULTS", help="take the numbers of this run over")
    action.add_argument("--compare", type=Path, metavar="RESULTS", help="compare the numbers of this run")
    action.add_argument("--check", action="store_true", help="compare README and configuration with docs/demo.json")
    arguments = parser.parse_args()
    if arguments.check:
        sys.exit("\n".join(check()) or 0)
    run = read_numbers(read_comparison((arguments.write or arguments.compare) / "comparison.json"))
    if arguments.write:
        RECORD.write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        README.write_text(put_table(README.read_text(encoding="utf-8"), write_table(run)), encoding="utf-8")
        return
    if found := differences(json.loads(RECORD.read_text(encoding="utf-8")), run):
        sys.exit("\n".join(["These numbers are not those of the README:", *found]))
    print("The numbers are those of the README, within its tolerance (docs/demo_numbers.py).")


if __name__ == "__main__":
    main()
