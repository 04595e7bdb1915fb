"""The demo from nothing to its report: what a visitor sees, the README's numbers, and what becomes stale when.

It is the longest of all tests. It stands for `make demo`, whose numbers no change of code may move unseen.
"""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from workflow_runs import ROOT, copy_project, planned_jobs, snakemake

from core.records import read_captions, read_samples
from describe_results import as_pattern

EXPERIMENT = "profiles/demo/experiment.yaml"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo as `make demo` runs it, from nothing to its report.

    Its jobs have one thread each: the threads of one wait for each other, and the other tests take the second core.
    """
    project = copy_project(tmp_path_factory.mktemp("demo") / "project")
    run = snakemake(project, "all", "--profile", "profiles/demo", "--max-threads", "1")
    (project / "run.log").write_text(run.stdout)
    return project


def plan(project: Path) -> dict[str, int]:
    return planned_jobs(project, "--profile", "profiles/demo")


@pytest.fixture
def edited(demo):
    """The run, whose edited files are put back afterwards."""
    before = {}

    def edit(name, change):
        path = demo / name
        before.setdefault(path, path.read_text())
        changed = change(path.read_text())
        assert changed != path.read_text()
        path.write_text(changed)
        return plan(demo)

    yield edit
    for path, text in before.items():
        path.write_text(text)


@pytest.mark.slow
def test_the_demo_has_everything_in_its_report(demo):
    results = demo / "results" / "demo"
    report = (results / "report.html").read_text()
    assert "OpenMoji" in report
    assert "smollm2-test3" in report
    comparison = json.loads((results / "comparison.json").read_text())
    assert [system["name"] for system in comparison["systems"]] == [
        "smollm2-135m-zero-shot",
        "smollm2-test1",
        "smollm2-test3",
        "constant",
        "text_nearest",
        "clip_nearest",
    ]
    samples = [sample.id for sample in read_samples(results / "data" / "test.parquet")]
    for system in comparison["systems"]:
        captions = read_captions(results / "captions" / f"{system['name']}.jsonl")
        assert [caption.id for caption in captions] == samples
    assert {path.name for path in (results / "figures").glob("radar.*")} == {"radar.png", "radar.svg", "radar.pdf"}
    assert not list(results.rglob("*.partial"))
    readme = (results / "README.md").read_text()
    described = {
        path for pattern in re.findall(r"^\| `(.*?)` ", readme, re.M) for path in results.glob(as_pattern(pattern))
    }
    left = [path for path in results.rglob("*") if path.is_file() and not described & {path, *path.parents}]
    assert {path.name for path in left} <= {"README.md"}, "files that the README does not tell of"
    graph = {tuple(edge) for edge in json.loads((results / "rule_graph.json").read_text())}
    assert {("train_lora", "caption_llm"), ("compare", "radar_chart"), ("radar_chart", "html_report")} <= graph
    log = (demo / "run.log").read_text()
    assert "Report: " in log
    assert "CIDEr" in log
    assert re.search(r"^\d\d:\d\d:\d\d \[\d+/\d+\] score_text smollm2-test3 cider \(.* s\): ", log, re.M)
    assert not re.search("Select jobs|Execute \\d+ jobs|Finished jobid|Using shell", log)
    (full,) = (demo / ".snakemake" / "log").glob("*.snakemake.log")
    assert "Finished jobid" in full.read_text()


@pytest.mark.slow
def test_its_numbers_are_those_of_the_readme(demo):
    command = [sys.executable, ROOT / "docs" / "demo_numbers.py", "--compare", demo / "results" / "demo"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_the_trained_model_is_significantly_ahead_of_each_baseline_on_scenes(demo):
    comparison = json.loads((demo / "results" / "demo" / "comparison.json").read_text())
    pairs = {
        ({pair["a"], pair["b"]} - {"smollm2-test3"}).pop(): pair
        for pair in comparison["pairs"]
        if pair["value"] == "scene_accuracy" and "smollm2-test3" in (pair["a"], pair["b"])
    }
    for baseline in ("constant", "text_nearest", "clip_nearest"):
        pair = pairs[baseline]
        assert (pair["difference"] > 0) == (pair["a"] == "smollm2-test3")
        assert pair["p_holm"] < 0.01


@pytest.mark.slow
def test_snakemake_has_a_report_of_its_own(demo):
    snakemake(demo, "all", "--profile", "profiles/demo", "--report", "snakemake.zip")
    with zipfile.ZipFile(demo / "snakemake.zip") as file:
        page = next(
            file.read(name).decode()
            for name in file.namelist()
            if name.endswith("report.html") and name.count("/") == 1
        )
    for words in ("Charts", "Pages", "scores with intervals", "chosen samples", "gives an overview only"):
        assert words in page


@pytest.mark.slow
def test_a_second_run_does_nothing(demo):
    assert plan(demo) == {}


@pytest.mark.slow
def test_comments_and_file_times_change_nothing(demo, edited):
    for path in [*demo.glob("workflow/scripts/*.py"), *(demo / "results").rglob("*.parquet")]:
        path.touch()
    assert edited("workflow/scripts/scoring/metrics/cider.py", lambda text: text + "\n# a remark\n") == {}


@pytest.mark.slow
def test_editing_a_metric_reruns_its_scores_and_what_follows(edited):
    jobs = edited("workflow/scripts/scoring/metrics/cider.py", lambda text: text + "\nEDITED = 1\n")
    assert jobs == {
        "score_text": 6,
        "score_human": 1,
        "compare": 1,
        "radar_chart": 1,
        "record_provenance": 1,
        "qualitative_report": 1,
        "html_report": 1,
        "describe_results": 1,
        "log_wandb": 1,
    }


@pytest.mark.slow
def test_editing_the_report_template_reruns_the_report(edited):
    jobs = edited("workflow/templates/report.html.j2", lambda text: text.replace("</body>", "<!-- edited --></body>"))
    assert jobs == {"html_report": 1}


@pytest.mark.slow
def test_editing_the_training_code_retrains_nothing_but_says_so(demo, edited):
    jobs = edited("workflow/scripts/training/data.py", lambda text: text + "\nEDITED = 1\n")
    assert "train_lora" not in jobs


@pytest.mark.slow
def test_another_training_setting_retrains_that_model_alone(edited):
    jobs = edited(EXPERIMENT, lambda text: text.replace("r: 4\n", "r: 5\n"))
    assert (jobs["train_lora"], jobs["caption_llm"], jobs["score_text"], jobs["score_clip"]) == (1, 1, 5, 1)


@pytest.mark.slow
def test_a_new_system_computes_only_its_own_rows(edited):
    def add_model(text):
        config = yaml.safe_load(text)
        config["models"]["another"] = {"base": "smollm2-135m", "preset": "test1", "gpus": 0}
        return yaml.safe_dump(config)

    jobs = edited(EXPERIMENT, add_model)
    assert (jobs["train_lora"], jobs["caption_llm"], jobs["score_text"], jobs["score_clip"]) == (1, 1, 5, 1)
    assert "render_png" not in jobs
    assert "preprocess_svg" not in jobs
