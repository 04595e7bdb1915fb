"""Code, picture and both by one base: the configuration of the documents, made small, for one model as a real run.

test_demo_vlm.py runs all systems of such an experiment to the report.
"""

import json
import re
from pathlib import Path

import pytest
import yaml
from tiny_models import build_tiny_clip
from tiny_vlms import build_tiny_vlm
from workflow_runs import copy_project, planned_jobs, planned_outputs, snakemake, stand_in

from core.records import read_captions, read_samples
from generate_scenes import generate_scenes

PAGE = Path(__file__).parent.parent / "docs" / "code_and_picture.md"
RUN = "results/code-and-picture/captions/qwen-both.jsonl"
STEPS = {"max_steps": 2, "eval_steps": 1, "save_steps": 1}
pytestmark = pytest.mark.slow


def documented():
    """The configuration that the page shows."""
    return yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    project = copy_project(folder / "project")
    (project / "data").mkdir()
    scenes = list(generate_scenes({"train": 12, "validation": 4, "test": 6}, seed=1))
    (project / "data" / "drawings.json").write_text(json.dumps(scenes))
    config = documented()
    config["bases"]["qwen2.5-vl-3b"]["source"] = {"path": str(build_tiny_vlm(folder / "vlm", "qwen2_5_vl"))}
    config["clip"]["source"] = {"path": str(build_tiny_clip(folder / "clip"))}
    for model in config["models"].values():
        model["settings"] = {**model.get("settings", {}), **STEPS}
    (project / "small.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    snakemake(project, RUN, "--configfile", "small.yaml", "--cores", "2", "--max-threads", "1")
    jobs = planned_jobs(project, "all", "--configfile", "small.yaml", "--cores", "1")
    stand_in(project, "all", "--configfile", "small.yaml", "--cores", "1")
    return project, jobs


def test_one_that_reads_code_and_pictures_is_trained_and_captions(run):
    results = run[0] / "results" / documented()["experiment"]
    assert json.loads((results / "adapters/qwen-both/training.json").read_text())["input"] == "both"
    captions = read_captions(run[0] / RUN)
    assert [caption.id for caption in captions] == [one.id for one in read_samples(results / "data/test.parquet")]
    assert any(caption.n_new_tokens for caption in captions)


def test_the_rest_of_the_documented_configuration_is_planned(run):
    jobs = run[1]
    assert (jobs["train_lora"], jobs["caption_llm"], jobs["caption_baseline"]) == (2, 5, 3)
    assert (jobs["score_clip"], jobs["score_text"], jobs["html_report"]) == (9, 36, 1)


def planned_with(project, **changes):
    """By rule: the models that a changed configuration would train anew, and the systems that it would caption."""
    config = {**yaml.safe_load((project / "small.yaml").read_text()), **changes}
    (project / "other.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    planned = planned_outputs(project, "all", "--configfile", "other.yaml", "--cores", "1")
    trained = {Path(path).parent.name for rule, path in planned if rule == "train_lora"}
    return trained, {Path(path).stem for rule, path in planned if rule == "caption_llm"}


def test_a_second_run_does_nothing_and_a_change_concerns_those_who_read_what_changed(run):
    project = run[0]
    assert planned_jobs(project, "all", "--configfile", "small.yaml", "--cores", "1") == {}
    trained, captioned = planned_with(project, prompt={"missing_picture": "use_code"})
    assert trained == {"qwen-both"}
    assert captioned == {"qwen-both", "qwen2.5-vl-3b-zero-shot-both"}
    trained, captioned = planned_with(project, render={"size": 320})
    assert trained == {"qwen-image", "qwen-both"}
    assert not {"qwen-code", "qwen2.5-vl-3b-zero-shot"} & captioned
