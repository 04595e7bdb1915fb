"""scores_from, human_votes and the exports in real runs of the workflow, on captions of a file and a baseline."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from vote_files import write_ballot
from workflow_runs import copy_project, planned_jobs, snakemake

from core.records import read_json, read_samples

N = 30
RESULTS = Path("results/outside")


def write_scores(project: Path, ids: list[str], lowest: float) -> None:
    records = [
        {"id": id_, "system": system, "value": lowest + number / 100 + 0.2 * (system == "mine")}
        for system in ("mine", "constant")
        for number, id_ in enumerate(ids)
    ]
    (project / "pac_s.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project whose captions are there, so that its test samples are known."""
    project = copy_project(tmp_path_factory.mktemp("outside") / "project")
    shapes = [("circle", "<circle cx='{0}' cy='9' r='5'/>"), ("square", "<path d='M{0} 2h9v9h-9z'/>")]
    rows = [
        {
            "id": f"d{number}",
            "svg": f"<svg viewBox='0 0 99 20'>{shapes[number % 2][1].format(number * 3)}</svg>",
            "caption": f"a {shapes[number % 2][0]} at place {number}",
            "split": "test" if number < 20 else "validation" if number < 23 else "train",
        }
        for number in range(N)
    ]
    (project / "drawings.json").write_text(json.dumps(rows))
    captions = [{"id": row["id"], "caption": row["caption"].replace("place", "spot")} for row in rows]
    (project / "captions.json").write_text(json.dumps(captions))
    config = {
        "experiment": "outside",
        "dataset": {"sources": {"drawings": {"path": "drawings.json"}}},
        "bases": {},
        "models": {},
        "systems": {"mine": {"kind": "file", "path": "captions.json"}},
        "baselines": {"constant": {}},
        "metrics": ["bleu", "rouge_l", "cider"],
        "comparison": {"n_resamples": 500, "slices": ["source"]},
        "report": {"radar": ["bleu_4", "rouge_l", "cider"], "wandb": "disabled"},
    }
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    snakemake(project, "captions", "--cores", "2")
    config["scores_from"] = {"pac_s": {"path": "pac_s.jsonl", "label": "PAC-S", "range": [0, 2]}}
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    return project


def test_scores_of_a_file_reach_the_report_and_go_by_its_content(project):
    ids = [sample.id for sample in read_samples(project / RESULTS / "data/test.parquet")]
    write_scores(project, ids, 0.1)
    snakemake(project, "report", "--cores", "2")
    comparison = read_json(project / RESULTS / "comparison.json")
    scores = {
        cell["system"]: cell for cell in comparison["cells"] if (cell["value"], cell["slice"]) == ("pac_s", "all")
    }
    assert scores["mine"]["score"] == pytest.approx(scores["constant"]["score"] + 0.2)
    assert scores["mine"]["low"] < scores["mine"]["score"] < scores["mine"]["high"]
    assert "PAC-S" in (project / RESULTS / "report.html").read_text()

    (project / "pac_s.jsonl").touch()
    assert planned_jobs(project, "report", "--cores", "1") == {}
    write_scores(project, ids, 0.2)
    jobs = planned_jobs(project, "report", "--cores", "1")
    assert {"import_scores", "compare", "html_report"} <= set(jobs)
    assert "score_text" not in jobs
    write_scores(project, ids[:-1], 0.2)
    assert snakemake(project, "scores", "--cores", "2", check=False).returncode == 1
    log = (project / RESULTS / "logs/import_scores/pac_s.log").read_text()
    assert f"mine has no value for 1 of {len(ids)} test samples ({ids[-1]}); add their records" in log


def test_votes_reach_the_report_and_go_by_their_content(project):
    config = yaml.safe_load((project / "config.yaml").read_text())
    before = (project / "config.yaml").read_text()
    config["human_votes"] = ["ada.json"]
    config.pop("scores_from")
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    write_ballot(project / RESULTS, "ada", [("mine", "constant")], lambda *_: "mine")
    shutil.move(project / RESULTS / "ada.json", project / "ada.json")
    snakemake(project, "report", "--cores", "2")
    votes = read_json(project / RESULTS / "votes.json")
    assert votes["pairs"][0]["rate"] == 1
    assert "Votes of people" in (project / RESULTS / "report.html").read_text()
    (project / "ada.json").touch()
    assert planned_jobs(project, "report", "--cores", "1") == {}
    (project / "ada.json").write_text((project / "ada.json").read_text().replace('"ada"', '"Ada L."'))
    assert planned_jobs(project, "report", "--cores", "1") == {"analyse_votes": 1, "html_report": 1, "report": 1}
    (project / "config.yaml").write_text(before)


def test_exports_are_a_target_of_their_own(project):
    write_scores(project, ["d0"], 0.1)
    snakemake(project, "exports", "--cores", "2")
    folder = project / RESULTS / "exports"
    results = read_json(folder / "coco/results/mine.json")
    assert [one["image_id"] for one in results] == [
        one["id"] for one in read_json(folder / "coco/annotations.json")["images"]
    ]
    predictions = [json.loads(line) for line in (folder / "capevalkit/predictions/mine.jsonl").read_text().splitlines()]
    assert all((project / RESULTS / "png/test" / one["image"]).is_file() for one in predictions)
