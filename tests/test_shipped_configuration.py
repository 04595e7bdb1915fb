"""The shipped config.yaml from data to report, on tiny models of the same classes.

All other keys are as shipped, but that one model has a second training seed.

The checkout lies in a folder whose name holds a space, an apostrophe and letters beyond ASCII, and so do its data and
models: a path that is not quoted in a shell command ends here.
"""

import json

import pytest
import yaml
from tiny_captioners import build_tiny_captioner
from tiny_models import build_tiny_clip, build_tiny_model
from workflow_runs import copy_project, planned_jobs, snakemake

from core.records import read_captions, read_samples
from generate_scenes import generate_scenes

STEPS = {"max_steps": 2, "eval_steps": 1, "save_steps": 1}


def reduced(config, folder):
    """The configuration with tiny models, few training steps and a second seed; nothing else differs."""
    models = folder / "tiny models"
    models.mkdir()
    config["bases"]["llama-3.1-8b"]["source"] = {"path": str(build_tiny_model(models / "llama", "llama"))}
    config["bases"]["gemma-2-9b"]["source"] = {"path": str(build_tiny_model(models / "gemma", "gemma2"))}
    for name, kind in (("blip-large", "blip"), ("vit-gpt2", "vit_gpt2"), ("cogvlm", "cogvlm")):
        config["captioners"][name]["source"] = {"path": str(build_tiny_captioner(models / kind, kind))}
    config["captioners"]["cogvlm"]["tokenizer"] = config["captioners"]["cogvlm"]["source"]
    config["captioners"]["cogvlm"]["trust_remote_code"] = True  # of the test's own stand-in
    config["clip"]["source"] = {"path": str(build_tiny_clip(models / "clip"))}
    for model in config["models"].values():
        model["settings"] = STEPS
    config["models"]["llama-3.1-8b-test3"]["seeds"] = 2
    return config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    project = copy_project(tmp_path_factory.mktemp("shipped") / "it's a fólder" / "project")
    (project / "data").mkdir()
    (project / "data" / "drawings.json").write_text(
        json.dumps(list(generate_scenes({"train": 24, "validation": 4, "test": 6}, seed=1)))
    )
    config = reduced(yaml.safe_load((project / "config.yaml").read_text()), project.parent)
    (project / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    snakemake(project, "all", "png_files", "--cores", "2", "--max-threads", "1")
    return project


@pytest.mark.slow
def test_the_shipped_configuration_runs_to_its_report(run):
    results = run / "results" / "full"
    report = (results / "report.html").read_text()
    ids = [sample.id for sample in read_samples(results / "data" / "test.parquet")]
    comparison = json.loads((results / "comparison.json").read_text())
    assert len(comparison["systems"]) == 10
    for system in comparison["systems"]:
        assert system["label"] in report
        assert [one.id for one in read_captions(results / f"captions/{system['name']}.jsonl")] == ids
    assert {value["name"] for value in comparison["values"]} >= {"bleu_4", "meteor", "rouge_l", "cider", "clip_score"}


@pytest.mark.slow
def test_a_second_run_of_it_does_nothing(run):
    assert planned_jobs(run, "all", "--cores", "1") == {}


@pytest.mark.slow
def test_a_model_with_two_seeds_has_two_adapters_and_one_row(run):
    results = run / "results" / "full"
    names = ["llama-3.1-8b-test3", "llama-3.1-8b-test3-seed2"]
    adapters = [(results / "adapters" / name / "adapter_model.safetensors").read_bytes() for name in names]
    assert adapters[0] != adapters[1]
    comparison = json.loads((results / "comparison.json").read_text())
    row = next(system for system in comparison["systems"] if system["name"] == "llama-3.1-8b-test3")
    assert row["trainings"] == {"1": names[0], "2": names[1]}
    scores = [
        json.loads((results / "scores" / name / "rouge_l.json").read_text())["values"]["rouge_l"] for name in names
    ]
    cell = next(
        cell
        for cell in comparison["cells"]
        if (cell["system"], cell["value"], cell["slice"]) == ("llama-3.1-8b-test3", "rouge_l", "all")
    )
    assert cell["by_training"] == pytest.approx(scores)
    assert cell["score"] == pytest.approx(sum(scores) / 2)
    assert "2 training seeds" in (results / "report.html").read_text()
