"""Runs of the workflow by the slurm profile, for tests: a copy of the project whose site is the test cluster."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from cluster import Cluster
from workflow_runs import copy_project

# A first look at a job after 2 seconds instead of 40. Nodes promise more cores than there are: eight threads of each
# job would fight for two.
QUICK = ("--slurm-init-seconds-before-status-checks", "2", "--max-threads", "1")


def copy_for_site(folder: Path, training: dict[str, str | int] | None = None, **names: str) -> Path:
    """A copy of the project whose profile knows the test cluster.

    `names` are site names, say large_gpu; `training` are resources for the rule train_lora.
    """
    project = copy_project(folder)
    path = project / "profiles" / "slurm" / "config.yaml"
    profile = yaml.safe_load(path.read_text())
    profile["__variables__"] |= {"accounting": False, **names}
    profile["set-resources"]["train_lora"] |= training or {}
    path.write_text(yaml.safe_dump(profile, sort_keys=False))
    return project


def wait_for(what: str, condition: Callable[[], object], seconds: float = 180) -> None:
    """Wait until a condition holds; fails where it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)


class Run:
    """A running `snakemake --profile profiles/slurm`; its output goes to run.log in the project."""

    def __init__(self, cluster: Cluster, project: Path, *arguments: str, **environment: str) -> None:
        self.cluster, self.project = cluster, project
        self.log = project / "run.log"
        command = [sys.executable, "-m", "snakemake", *arguments, "--profile", "profiles/slurm", *QUICK]
        variables = {name: value for name, value in cluster.environment.items() if name != "PROGRESS_FD"}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=project, env={**variables, **environment}, stdout=output, stderr=subprocess.STDOUT
            )

    def end(self, seconds: float = 400) -> int:
        """Wait for the end; the exit code."""
        return self.process.wait(timeout=seconds)

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def jobs(self, rule: str = "") -> list[dict[str, str]]:
        """SLURM's records of the jobs of this project, of a rule or group if given, oldest first."""
        return [
            job
            for job in self.cluster.jobs()
            if job["WorkDir"] == str(self.project) and job.get("Comment", "").startswith(f"rule_{rule}")
        ]

    def wait_for(self, what: str, condition: Callable[[], object], seconds: float = 180) -> None:
        """Wait until a condition holds; fails where Snakemake ends before."""

        def holds() -> object:
            assert self.process.poll() is None, f"{what}: Snakemake has ended\n{self.text()[-4000:]}"
            return condition()

        wait_for(what, holds, seconds)
