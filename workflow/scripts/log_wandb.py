r"""Give the comparison to Weights & Biases: the table of scores, the radar chart, each score as a summary.

Input   comparison.csv and .json, figures/radar.png
Output  wandb.json: mode, project and id of the run; the run itself lies in wandb/ beside it, for `wandb sync` where it
        was kept offline. Unchanged scores have the same id, so that they are the same run

    python workflow/scripts/log_wandb.py --comparison comparison.json --table comparison.csv --radar figures/radar.png \
        --mode offline --output wandb.json
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from core.command import log, run_command
from core.records import write_json
from report.comparison import read_comparison
from training.wandb_runs import QUIET, wandb_mode, wandb_project


def main(*, comparison: Path, table: Path, radar: Path, mode: str, output: Path) -> None:
    """Log one run."""
    import pandas as pd
    import wandb

    scores = read_comparison(comparison)
    rows = pd.read_csv(table)
    chosen = wandb_mode("log_wandb", mode)
    run_id = hashlib.sha256(comparison.read_bytes()).hexdigest()[:12]
    output.parent.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        project=wandb_project(),
        name=f"{scores.experiment} comparison",
        id=run_id,
        job_type="comparison",
        resume="allow",
        mode=chosen,
        dir=output.parent,
        config={"signatures": {value.name: value.signature for value in scores.values}},
        settings=wandb.Settings(**QUIET),
    )
    run.log({"scores": wandb.Table(dataframe=rows), "radar": wandb.Image(str(radar))})
    for cell in scores.cells.values():
        if cell.slice == "all" and cell.score is not None:
            run.summary[f"{cell.system}/{cell.value}"] = cell.score
    run.finish()
    write_json(output, {"mode": chosen, "project": wandb_project(), "id": run_id})
    log("log_wandb", f"run {run_id}, {chosen}, {len(rows):,} rows")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparison", type=Path, required=True, help="comparison.json")
    parser.add_argument("--table", type=Path, required=True, help="comparison.csv")
    parser.add_argument("--radar", type=Path, required=True, help="figures/radar.png")
    parser.add_argument(
        "--mode", choices=["offline", "online"], default="offline", help="online without a key is offline"
    )
    parser.add_argument("--output", type=Path, required=True, help="wandb.json")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
