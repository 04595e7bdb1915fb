"""The benchmark of a GPU runs on a CPU with a tiny model, and says what it skipped and why."""

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recorded_steps import record_on_cpu
from tiny_models import build_tiny_model

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.append(str(BENCHMARKS))
    import gpu

    yield gpu
    sys.path.remove(str(BENCHMARKS))


def test_a_tiny_run_measures_ours_and_names_what_it_skipped(benchmark, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "BATCH", 2)
    monkeypatch.setattr(benchmark.gpu_sides, "ROWS", (1, 2))
    record_on_cpu(monkeypatch)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "trl" else found(name, *rest))
    tokenizer = build_tiny_model(tmp_path / "tokenizer")
    options = ["--tokenizer", tokenizer, "--tiny", "--formats", "bf16", "--output", tmp_path / "gpu.json"]
    options += ["--n-steps", 2, "--n-captions", 10, "--max-new-tokens", 6]
    results = benchmark.main(**vars(benchmark.build_parser().parse_args([*map(str, options)])))
    assert json.loads((tmp_path / "gpu.json").read_text()) == results
    assert results["train_bf16"]["ours"]["tokens_per_second"] > 0
    assert {"ours", "ours_without_graphs", "generate"} == set(results["captions"])
    assert 650 < results["captions"]["ours"]["mean_prompt_tokens"] < 870
    assert min(results["step"]["ours"][f"{kind}_ms_2"] for kind in ("plain", "graph")) > 0
    assert results["skipped"] == {
        "captions vllm": "vllm is not installed",
        "train_bf16 trl_packed": "trl is not installed",
        "train_bf16 unsloth": "unsloth is not installed",
    }
    said = capsys.readouterr().out
    assert "train_nf4    not measured" in said
    assert "skipped: captions vllm: vllm is not installed" in said


def test_a_side_that_fails_is_named_and_the_next_one_is_measured(benchmark, tmp_path):
    results = {"skipped": {}}
    run = benchmark.Run(tmp_path, "code", 1, 1, {}, True, tmp_path / "gpu.json", results)
    run.attempt("captions", "ours", lambda: run.trained_adapter(["nf4", "bf16"]))
    run.attempt("step", "ours", lambda: {"graph_ms": 1 / 0})
    run.attempt("clip", "ours", lambda: {"images_per_second": 1.0})
    assert json.loads((tmp_path / "gpu.json").read_text()) == results, "a run that is killed now leaves these"
    assert results.pop("clip") == {"ours": {"images_per_second": 1.0}}
    assert results == {
        "skipped": {
            "captions ours": "InputError: no training has left an adapter",
            "step ours": "ZeroDivisionError: division by zero",
        }
    }
    run.end = 0
    run.attempt("clip", "ours", lambda: {})
    assert results["skipped"]["clip ours"] == "no time was left of 1200 s"


def test_another_trainer_gets_the_same_samples_as_ours(benchmark, tmp_path, monkeypatch):
    run = benchmark.Run(tmp_path, "code", 1, 1, {}, True, None, {"skipped": {}})
    run.base = benchmark.write_random_llama(tmp_path / "base", build_tiny_model(tmp_path / "tokenizer"), "tiny")
    run.data = benchmark.write_drawings(tmp_path / "data", run.base, benchmark.BATCH, 1)
    given = {}
    monkeypatch.setattr(benchmark.train, "measure", lambda *_, **options: given.update(options))
    run.train_elsewhere("trl_packed", "bf16")
    lengths = [len(one["prompt"]) + len(one["caption"]) for one in given["examples"]]
    assert 560 < sum(lengths) / len(lengths) < 640, "of about 600 tokens, not shortened to another prompt's limit"


def test_vllm_is_measured_by_the_interpreter_that_has_it(benchmark, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho '{\"captions_per_second\": 5.0}'\n")
    python.chmod(0o755)
    run = benchmark.Run(tmp_path, "code", 1, 1, {}, False, None, {"skipped": {}})
    run.base, run.vllm_python = tmp_path / "base", str(python)
    assert run.decode("vllm") == {"captions_per_second": 5.0}


def test_the_table_tells_goals_met_and_missed_and_the_fastest_alternative(benchmark):
    paces = {"ours": 9000.0, "trl_packed": 6000.0, "unsloth": 10000.0}
    results = {
        "gpu": "H200",
        "shape": "8b",
        "train_nf4": {side: {"tokens_per_second": pace} for side, pace in paces.items()},
        "captions": {"ours": {"captions_per_second": 30.0}, "ours_without_graphs": {"captions_per_second": 40.0}},
        "skipped": {"train_bf16 ours": "took over 300 s"},
    }
    lines = benchmark.table(results)
    assert [" ".join(line.split()) for line in lines[2:5]] == [
        "train_nf4 9,000.0 8,000 met 10,000.0 unsloth, ours is 0.90 times as fast",
        "train_bf16 not measured",
        "captions 30.0 35 not met none",
    ]
    assert lines[5] == "skipped: train_bf16 ours: took over 300 s"


def test_a_side_over_its_limit_is_killed_with_what_it_started(benchmark, tmp_path):
    """vLLM's engine is a process of its own, and would keep the GPU's memory from the sides after it."""
    grandchild = f"import os, pathlib, time; pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid())); "
    grandchild += "time.sleep(60)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    with pytest.raises(subprocess.TimeoutExpired):
        benchmark.train.run_bounded([sys.executable, "-c", child], 1.0)
    wait_for = time.monotonic() + 5
    while is_alive((tmp_path / "pid").read_text()):
        assert time.monotonic() < wait_for
        time.sleep(0.01)


def test_a_side_that_fails_is_an_error(benchmark):
    assert benchmark.train.run_bounded([sys.executable, "-c", "print(1)"], 10) == "1\n"
    with pytest.raises(subprocess.CalledProcessError):
        benchmark.train.run_bounded([sys.executable, "-c", "raise SystemExit(3)"], 10)


def is_alive(pid: str) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] != "Z"  # one that waits to be reaped
