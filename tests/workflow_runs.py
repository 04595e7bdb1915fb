"""Runs of the workflow for tests: a copy of the project in a folder of its own, small experiments, planned jobs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
# `python -m snakemake` without garbage collection, which takes a fifth of the time of a dry run.
SNAKEMAKE = ("-c", "import gc, runpy; gc.disable(); runpy.run_module('snakemake', run_name='__main__')")
PROJECT = ("Snakefile", "config.yaml", "rules", "workflow", "profiles", "envs")


def copy_project(folder: Path) -> Path:
    """A copy of the project's own files, to be edited and run without touching the working tree.

    What Python has compiled comes along (but for what it is just writing), so that no copy compiles it again.
    """
    folder.mkdir(parents=True)
    for name in PROJECT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            shutil.copyfile(source, folder / name)
    return folder


def snakemake(project: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a project; its output (both streams) is `stdout`."""
    environment = {name: value for name, value in os.environ.items() if name != "PROGRESS_FD"}
    run = subprocess.run(
        [sys.executable, *SNAKEMAKE, *arguments],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
    )
    assert not check or run.returncode == 0, run.stdout[-6000:]
    return run


def planned_jobs(project: Path, *arguments: str) -> dict[str, int]:
    """The jobs of a dry run by rule; empty where there is nothing to be done."""
    output = snakemake(project, "-n", *arguments).stdout
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", output, re.MULTILINE | re.DOTALL)
    if not table:
        assert "Nothing to be done" in output, output[-3000:]
        return {}
    return {rule: int(count) for rule, count in (line.split() for line in table[1].splitlines()) if rule != "all"}


def planned_outputs(project: Path, *arguments: str) -> list[tuple[str, str]]:
    """Rule and path of each file that a dry run would make."""
    jobs = re.findall(
        r"^(?:local)?rule (\w+):\n(?: .*\n)*? +output: (.+)$", snakemake(project, "-n", *arguments).stdout, re.MULTILINE
    )
    return [(rule, path) for rule, paths in jobs for path in paths.split(", ")]


def stand_in(project: Path, *arguments: str) -> None:
    """Have Snakemake take for made all that a run would make: a file that is not there holds its own name."""
    for _, name in planned_outputs(project, *arguments):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        if not (project / name).exists():
            (project / name).write_text(name)
    snakemake(project, "--touch", "--forceall", *arguments)


def write_small_demo(project: Path) -> Path:
    """The demo's experiment in a smaller size, as a configuration file of the project."""
    config = yaml.safe_load((project / "profiles/demo/experiment.yaml").read_text())
    config["experiment"] = "small"
    sources = config["dataset"]["sources"]
    sources["scenes"]["scenes"] = {"train": 24, "validation": 4, "test": 6}
    sources["openmoji"]["limits"] |= {"max_chars": 420, "train": 16, "validation": 4, "test": 6}
    for preset in config["presets"].values():
        preset |= {"max_steps": 3, "eval_steps": 3, "save_steps": 3, "log_steps": 1, "batch_size": 2}
    config["decoding"]["max_new_tokens"] = 12
    config["comparison"] = {"n_resamples": 1000}
    path = project / "small.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path
