"""Code, picture and both by one base, from data to report: the configuration of the documents, made small."""

import json
import re
from pathlib import Path

import pytest
import yaml
from tiny_models import build_tiny_clip
from tiny_vlms import build_tiny_vlm
from workflow_runs import copy_project, planned_jobs, planned_outputs, snakemake

from core.records import read_captions, read_samples
from generate_scenes import generate_scenes

PAGE = Path(__file__).parent.parent / "docs" / "code_and_picture.md"
STEPS = {"max_steps": 2, "eval_steps": 1, "save_steps": 1}
# Of all systems and metrics, these are enough to compare the ways to read a drawing.
FEW = {"metrics": ["bleu", "rouge_l", "cider"], "baselines": {"constant": {}}}
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
    (project / "whole.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (project / "small.yaml").write_text(yaml.safe_dump({**config, **FEW}, sort_keys=False))
    snakemake(project, "all", "--configfile", "small.yaml", "--cores", "2", "--max-threads", "1")
    return project


def test_the_documented_configuration_is_planned_with_all_its_scores(run):
    jobs = planned_jobs(run, "all", "--configfile", "whole.yaml", "--cores", "1", "--forceall")
    assert (jobs["train_lora"], jobs["caption_llm"], jobs["caption_baseline"]) == (3, 6, 3)
    assert (jobs["score_clip"], jobs["score_text"]) == (9, 36)


def test_it_runs_to_its_report(run):
    results = run / "results" / documented()["experiment"]
    comparison = json.loads((results / "comparison.json").read_text())
    inputs = {system["name"]: (system["trained"], system["input"]) for system in comparison["systems"]}
    for input in ("code", "image", "both"):
        assert inputs[f"qwen-{input}"] == (True, input)
        assert inputs["qwen2.5-vl-3b-zero-shot" + ("" if input == "code" else f"-{input}")] == (False, input)
    ids = [sample.id for sample in read_samples(results / "data" / "test.parquet")]
    for name in inputs:
        captions = read_captions(results / "captions" / f"{name}.jsonl")
        assert [caption.id for caption in captions] == ids
    report = (results / "report.html").read_text()
    assert "Best systems, by what they were trained on and what they read" in report


def planned_with(project, **changes):
    """By rule: the models that a changed configuration would train anew, and the systems that it would caption."""
    config = {**yaml.safe_load((project / "small.yaml").read_text()), **changes}
    (project / "other.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    planned = planned_outputs(project, "all", "--configfile", "other.yaml", "--cores", "1")
    trained = {Path(path).parent.name for rule, path in planned if rule == "train_lora"}
    return trained, {Path(path).stem for rule, path in planned if rule == "caption_llm"}


def test_a_second_run_does_nothing_and_a_change_concerns_those_who_read_what_changed(run):
    assert planned_jobs(run, "all", "--configfile", "small.yaml", "--cores", "1") == {}
    trained, captioned = planned_with(run, prompt={"missing_picture": "use_code"})
    assert trained == {"qwen-both"}
    assert captioned == {"qwen-both", "qwen2.5-vl-3b-zero-shot-both"}
    trained, captioned = planned_with(run, render={"size": 320})
    assert trained == {"qwen-image", "qwen-both"}
    assert not {"qwen-code", "qwen2.5-vl-3b-zero-shot"} & captioned
