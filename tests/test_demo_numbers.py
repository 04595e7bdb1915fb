"""The demo's numbers in the README are those of its record, and a run that differs from it is told so."""

import copy
import json
import runpy

import pytest
from workflow_runs import ROOT

TOOL = runpy.run_path(str(ROOT / "docs" / "demo_numbers.py"))
RECORD = json.loads((ROOT / "docs" / "demo.json").read_text())
TRAINED = "SmolLM2 135M, LoRA test3"


def test_the_readme_s_table_says_what_the_record_says():
    assert TOOL["check"]() == []
    trained = RECORD["systems"][TRAINED]["scenes described right"]
    n_right = round(trained["score"] * trained["n"])
    assert f"| {TRAINED} | {n_right} of {trained['n']} |" in (ROOT / "README.md").read_text()


def test_the_trained_model_is_ahead_of_the_baselines_on_scenes():
    columns = ("scenes described right", "CIDEr on scenes")
    trained = RECORD["systems"][TRAINED]
    for label in ("Constant caption", "Nearest train code", "Nearest train image"):
        for column in columns:
            assert trained[column]["low"] > RECORD["systems"][label][column]["high"]


@pytest.mark.parametrize(("by", "differs"), [(0.1, False), (0.2, True)])
def test_a_run_that_differs_beyond_the_tolerance_is_told(by, differs):
    run = copy.deepcopy(RECORD)
    run["systems"][TRAINED]["scenes described right"]["score"] -= by
    found = TOOL["differences"](RECORD, run)
    assert bool(found) == differs
    assert all(TRAINED in line and "tolerance 0.15" in line for line in found)


def test_a_run_of_another_configuration_is_told():
    assert "configuration has changed" in TOOL["differences"](RECORD, {**RECORD, "profile": "another"})[0]
