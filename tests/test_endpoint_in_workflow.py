"""An endpoint in the workflow: the cost that is told, the key that must be there, and that it is written nowhere."""

import os

import pytest
import yaml
from endpoint_server import KEY, KEY_VARIABLE, chat_server, error
from picture_samples import write_scenes
from workflow_runs import copy_project, snakemake

from core.records import read_captions, read_json

CAPTIONS = "results/hosted/captions/gpt.jsonl"


@pytest.fixture
def server():
    with chat_server() as running:
        yield running


@pytest.fixture
def project(tmp_path, server):
    """A project whose test samples are there, so that the captions are the one job."""
    project = copy_project(tmp_path / "project")
    (project / "drawings.json").write_text('[{"id": "a", "svg": "<svg/>", "caption": "x"}]')
    hosted = {"kind": "endpoint", "base_url": server.base_url, "model": "tiny", "input": "code", "parallel": 1}
    config = {
        "experiment": "hosted",
        "dataset": {"sources": {"drawings": {"path": "drawings.json"}}},
        "bases": {},
        "systems": {"gpt": {**hosted, "api_key_env": KEY_VARIABLE, "price": {"input": 1, "output": 2}}},
        "baselines": {"constant": {}},
        "metrics": ["bleu"],
        "report": {"wandb": "disabled"},
    }
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    write_scenes(project / "results/hosted/data", "test", 3)
    return project


def files_with(text, folder):
    """The files below a folder that hold a text."""
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_the_cost_is_told_and_the_key_is_written_nowhere(project, server, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    plan = snakemake(project, "-n", CAPTIONS).stdout
    assert "Endpoint gpt (tiny): 3 requests, about " in plan
    assert " EUR at most" in plan
    assert f"the environment variable {KEY_VARIABLE} is not set" in plan
    stopped = snakemake(project, CAPTIONS, "--cores", "1", check=False)
    assert stopped.returncode == 1
    assert "Keys of endpoints are missing; nothing was run" in stopped.stdout
    assert server.bodies == []

    monkeypatch.setenv(KEY_VARIABLE, KEY)
    server.faults = [error(429, f"{KEY} is too fast", {"Retry-After": "0.1"}), error(500, KEY)]
    run = snakemake(project, CAPTIONS, "--cores", "1", "--printshellcmds", "--verbose")
    captions = read_captions(project / CAPTIONS)
    assert [caption.status for caption in captions] == ["ok"] * 3
    assert read_json(project / "results/hosted/endpoints/gpt.json")["answered_by"] == "tiny-2026-11-01"
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert KEY not in run.stdout
    assert len(files_with(KEY_VARIABLE, project)) > 1
    assert files_with(KEY, project) == []
    assert KEY in os.environ.values()
