"""The demo of code and picture, its experiment as shipped: planned, and run on a tiny language model to its report."""

import json
import re

import pytest
import yaml
from tiny_models import build_tiny_model
from workflow_runs import ROOT, copy_project, planned_jobs, snakemake

from core.records import read_captions, read_samples
from describe_results import as_pattern

PROFILE = ("--profile", "profiles/demo-vlm")
SYSTEMS = {
    **{f"smollm2-vlm-zero-shot{end}": end[1:] or "code" for end in ("", "-image", "-both")},
    **{"code": "code", "picture": "image", "both": "both", "constant": "none", "text_nearest": "code"},
}


def test_it_is_planned(tmp_path):
    jobs = planned_jobs(copy_project(tmp_path / "project"), *PROFILE)
    assert (jobs["build_vlm"], jobs["train_lora"], jobs["caption_llm"], jobs["fetch_model"]) == (1, 3, 6, 2)


def test_its_three_models_differ_in_what_they_read_alone():
    experiment = yaml.safe_load((ROOT / "profiles/demo-vlm/experiment.yaml").read_text())
    told = ("label", "input")
    kept = [{key: value for key, value in model.items() if key not in told} for model in experiment["models"].values()]
    assert kept[0] == kept[1] == kept[2]
    assert [model["input"] for model in experiment["models"].values()] == ["code", "image", "both"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    project = copy_project(tmp_path_factory.mktemp("vlm") / "project")
    config = yaml.safe_load((project / "profiles/demo-vlm/experiment.yaml").read_text())
    config["dataset"]["sources"]["scenes"]["scenes"] = {"train": 24, "validation": 4, "test": 6}
    build = config["bases"]["smollm2-vlm"]["build"]
    build |= {"language": {"path": str(build_tiny_model(project / "tiny", "llama"))}, "settings": {"epochs": 1}}
    config["presets"]["few_steps"] |= {"max_steps": 2, "eval_steps": 2, "save_steps": 2}
    config["comparison"] = {"n_resamples": 1000}
    (project / "small.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    snakemake(project, "all", *PROFILE, "--max-threads", "1", "--configfile", "small.yaml")
    return project


@pytest.mark.slow
def test_it_runs_to_its_report(run):
    results = run / "results" / "demo-vlm"
    report = (results / "report.html").read_text()
    ids = [sample.id for sample in read_samples(results / "data" / "test.parquet")]
    assert "Best systems by training data and input" in report
    comparison = json.loads((results / "comparison.json").read_text())
    assert {system["name"]: system["input"] for system in comparison["systems"]} == SYSTEMS
    for system in comparison["systems"]:
        assert system["label"] in report
        assert [one.id for one in read_captions(results / f"captions/{system['name']}.jsonl")] == ids
    untrained = [system["name"] for system in comparison["systems"] if not system["trained"]]
    assert untrained == ["smollm2-vlm-zero-shot"]  # the others read pictures, from which the base has learned


@pytest.mark.slow
def test_its_built_base_is_described_and_nothing_is_made_twice(run):
    results = run / "results" / "demo-vlm"
    described = re.findall(r"^\| `(.*?)` ", (results / "README.md").read_text(), re.M)
    assert results / "bases" / "smollm2-vlm" in {path for one in described for path in results.glob(as_pattern(one))}
    assert planned_jobs(run, "all", *PROFILE, "--configfile", "small.yaml") == {}
    config = (run / "small.yaml").read_text()
    (run / "small.yaml").write_text(config.replace("epochs: 1", "epochs: 2"))
    assert planned_jobs(run, "all", *PROFILE, "--configfile", "small.yaml")["build_vlm"] == 1
    (run / "small.yaml").write_text(config)
