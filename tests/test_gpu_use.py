"""GPU hours, memory and utilisation from samples."""

import json

import pytest

from report.gpu_use import read_gpu_use


def gpu(memory, utilisation):
    return {"name": "NVIDIA L40S", "memory_mb": memory, "memory_total_mb": 46068, "utilisation": utilisation}


@pytest.fixture
def logs(tmp_path):
    """Two attempts on two GPUs: one that was killed while it wrote a line, and one that ended."""
    records = [
        {"attempt": 1000.0, "time": 1000.1, "gpus": [gpu(10, 0), gpu(12, 0)]},
        {"attempt": 1000.0, "time": 2800.0, "gpus": [gpu(30000, 90), gpu(31000, None)]},
        {"attempt": 5000.0, "time": 5000.1, "error": "exit status 9"},
        {"attempt": 5000.0, "time": 6000.0, "gpus": [gpu(20000, 60), gpu(20000, 50)]},
        {"attempt": 5000.0, "time": 8600.0, "end": 0},
    ]
    lines = [json.dumps(record) + "\n" for record in records]
    path = tmp_path / "train_lora" / "llama.log.gpu.jsonl"
    path.parent.mkdir()
    path.write_text("".join([*lines[:2], *lines[2:], '{"attempt": 9000.0, "ti']))
    return tmp_path


def test_hours_are_those_of_all_attempts_and_gpus(logs):
    (use,) = read_gpu_use(logs)
    assert (use.job, use.attempts, use.gpus, use.gpu) == ("train_lora/llama", 2, 2, "NVIDIA L40S")
    assert use.hours == pytest.approx(2 * (1800 + 3600) / 3600)


def test_memory_is_the_peak_and_utilisation_the_mean_of_what_is_known(logs):
    (use,) = read_gpu_use(logs)
    assert (use.peak_memory_mb, use.memory_total_mb, use.failed_samples) == (31000, 46068, 1)
    assert use.utilisation == pytest.approx((0 + 0 + 90 + 60 + 50) / 5)


def test_without_samples_there_is_no_use(tmp_path):
    assert read_gpu_use(tmp_path) == []
