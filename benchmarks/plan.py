"""How long Snakemake plans: the full experiment, an experiment that is done, and many systems in many shards.

    python benchmarks/plan.py

Planned in a copy of the project in a temporary folder, without GPU or network; nothing is run. Last line: JSON with
`full_seconds` (dry run of config.yaml), `done_seconds` (a second `all`), `large_seconds` (20 systems x 64 shards) and
`large_jobs`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ("Snakefile", "config.yaml", "rules", "workflow", "profiles", "envs")
N_SYSTEMS, N_SHARDS = 20, 64


def copy_project(folder: Path) -> Path:
    for name in PROJECT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, folder / name)
    (folder / "data").mkdir()
    record = {"id": "a", "svg": "<svg><path d='M0 0h9'/></svg>", "caption": "a line"}
    (folder / "data" / "drawings.json").write_text(json.dumps([record]))
    return folder


def snakemake(project: Path, *arguments: str) -> tuple[str, float]:
    """Output and seconds of a Snakemake call."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    run = subprocess.run(command, cwd=project, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return run.stdout, time.perf_counter() - start


def make_everything(project: Path, plan: str) -> None:
    """Stand-ins for all outputs of a plan, which Snakemake takes as made."""
    for line in plan.splitlines():
        if line.strip().startswith("output: "):
            for name in line.strip().removeprefix("output: ").split(", "):
                (project / name).parent.mkdir(parents=True, exist_ok=True)
                (project / name).write_text(name)
    snakemake(project, "--touch", "--forceall", "all")


def write_large(project: Path) -> str:
    """An experiment of 20 systems, whose captions, preprocessing and rendering are cut into 64 shards."""
    config = yaml.safe_load((project / "config.yaml").read_text())
    config["experiment"] = "large"
    config["captioners"] = {}
    config["models"] = {
        f"model{k}": {"base": "llama-3.1-8b", "preset": "test3"}
        for k in range(N_SYSTEMS - len(config["bases"]) - len(config["baselines"]))
    }
    for base in config["bases"].values():
        base["shards"] = N_SHARDS
    config["dataset"]["shards"] = N_SHARDS
    config.setdefault("render", {})["shards"] = N_SHARDS
    (project / "large.yaml").write_text(yaml.safe_dump(config))
    return "large.yaml"


def n_jobs(plan: str) -> int:
    return int(next(line.split()[1] for line in plan.splitlines() if line.startswith("total")))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = copy_project(Path(folder))
        plan, full_seconds = snakemake(project, "-n", "all")
        large, large_seconds = snakemake(project, "-n", "all", "--configfile", write_large(project))
        make_everything(project, plan)
        _, done_seconds = snakemake(project, "all")
    print(f"dry run of the full experiment: {n_jobs(plan)} jobs, {full_seconds:.1f} s")
    print(f"{N_SYSTEMS} systems x {N_SHARDS} shards: {n_jobs(large)} jobs, {large_seconds:.1f} s")
    print(f"a second `all`: {done_seconds:.1f} s")
    result = {"full_seconds": full_seconds, "done_seconds": done_seconds, "large_seconds": large_seconds}
    print(json.dumps({**{key: round(value, 2) for key, value in result.items()}, "large_jobs": n_jobs(large)}))


if __name__ == "__main__":
    main()
