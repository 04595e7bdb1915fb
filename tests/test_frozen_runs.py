"""Edits while a run is under way: a job goes by what its run was planned with, or refuses to run."""

import json
import os
import subprocess
import sys

import pytest
from workflow_runs import SNAKEMAKE, copy_project

from core.records import read_samples

SAMPLES = "results/full/preprocessed/drawings.parquet"


@pytest.fixture
def planned(tmp_path):
    """A project after a first run, and the record of what that was planned with."""
    project = copy_project(tmp_path / "project")
    (project / "data").mkdir()
    drawing = '<svg viewBox="0 0 9 9"><path d="M0 0h{}v9z"/></svg>'
    records = [{"id": f"d{n}", "svg": drawing.format(n + 2), "caption": f"shape {n}"} for n in range(3)]
    (project / "data" / "drawings.json").write_text(json.dumps(records))
    assert run(project, "--cores", "1", SAMPLES).returncode == 0
    (record,) = (project / "results" / "full" / "logs" / "runs").iterdir()
    return project, record


def run(project, *arguments, **environment):
    command = [sys.executable, *SNAKEMAKE, *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(command, cwd=project, env={**os.environ, **environment}, text=True, **streams)


def run_as_job(project, record):
    """The same job as a cluster starts it: in a process of its own that reads everything again."""
    return run(
        *(project, "--cores", "1", "--mode", "subprocess", "--force", SAMPLES, "--nolock"), PLANNED_RUN=str(record)
    )


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_job_goes_by_the_configuration_that_its_run_began_with(planned):
    project, record = planned
    before = read_samples(project / SAMPLES)
    edit(project / "config.yaml", "canvas: 512", "canvas: 64")
    job = run_as_job(project, record)
    assert job.returncode == 0, job.stdout[-3000:]
    assert read_samples(project / SAMPLES) == before
    assert run(project, "--cores", "1", SAMPLES).returncode == 0  # a new run takes the new configuration
    assert read_samples(project / SAMPLES) != before


def test_a_job_whose_code_was_edited_refuses_and_makes_nothing(planned):
    project, record = planned
    edit(project / "workflow/scripts/svg/canonical.py", "\nfrom __future__ import annotations\n", "\nEDITED = 1\n")
    job = run_as_job(project, record)
    assert job.returncode != 0
    assert "the code changed after this job was planned" in (
        job.stdout + (project / "results/full/logs/preprocess_svg/drawings.log").read_text()
    )
    assert not (project / SAMPLES).exists()


def test_a_job_whose_rules_were_edited_refuses(planned):
    project, record = planned
    with (project / "rules" / "data.smk").open("a") as rules:
        rules.write("\n# edited\n")
    job = run_as_job(project, record)
    assert job.returncode != 0
    assert "rules/ changed after this run was planned" in job.stdout
    assert (project / SAMPLES).exists()
