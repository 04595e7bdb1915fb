"""Keys that a configuration file has twice are faults, though YAML loaders keep the last one without a word."""

import subprocess
import sys

import pytest
import yaml
from small_configuration import small_configuration
from workflow_runs import ROOT, copy_project, snakemake

from plan.duplicate_keys import duplicate_keys


@pytest.fixture
def config():
    return small_configuration()


def test_a_key_that_a_file_has_twice_is_a_fault(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 1\ndataset:\n  test: 0.1\n  sources: {a: {build: scenes}}\n  test: 0.2\nseed: 2\n")
    assert duplicate_keys(path) == [
        "dataset.test: the key occurs 2 times, in lines 3 and 5 of mine.yaml; keep one of them",
        "seed: the key occurs 2 times, in lines 1 and 6 of mine.yaml; keep one of them",
    ]


def test_a_merge_and_an_alias_are_no_duplicates(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: &a {r: 1}\nb: {<<: *a, r: 2}\nc: *a\nd: [*a, *a]\n")
    assert duplicate_keys(path) == []


def test_a_key_of_a_mapping_in_a_list_is_found(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("credits:\n  - {name: a, name: b}\n")
    assert duplicate_keys(path) == [
        "credits.0.name: the key occurs 2 times, in lines 2 and 2 of mine.yaml; keep one of them"
    ]


def test_the_workflow_refuses_keys_given_twice(config, tmp_path):
    project = copy_project(tmp_path / "project")
    (project / "mine.yaml").write_text(yaml.safe_dump(config) + "seed: 1\nseed: 2\n")
    run = snakemake(project, "-n", "--configfile", "mine.yaml", check=False)
    assert run.returncode != 0
    assert "seed: the key occurs 2 times" in run.stdout


def test_the_command_lists_keys_given_twice(config, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(config) + "seed: 1\nseed: 2\n")
    command = [sys.executable, ROOT / "workflow/scripts/check_configuration.py", path]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode != 0
    assert "seed: the key occurs 2 times" in run.stderr
