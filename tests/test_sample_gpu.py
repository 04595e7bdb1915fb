"""GPUs are sampled beside a command that stays itself: its exit code, its signals."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from workflow_runs import ROOT

SCRIPT = ROOT / "workflow" / "scripts" / "sample_gpu.py"
# What the real program prints for two GPUs with these options.
NVIDIA_SMI = """\
#!/bin/sh
echo "$@" > "$(dirname "$0")/arguments"
echo "NVIDIA L40S, 1234, 46068, 87"
echo "NVIDIA L40S, 40, 46068, [N/A]"
"""


@pytest.fixture
def machine(tmp_path):
    """The environment of a machine with two GPUs."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": "2,3"}


def command(output, code):
    return [sys.executable, SCRIPT, output, sys.executable, "-c", code]


def test_each_attempt_leaves_samples_of_its_gpus(machine, tmp_path):
    output = tmp_path / "deep" / "usage.gpu.jsonl"
    for _ in range(2):
        assert subprocess.run(command(output, "raise SystemExit(7)"), env=machine).returncode == 7
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert len({record["attempt"] for record in records}) == 2
    assert [record.get("end") for record in records] == [None, 7, None, 7]
    assert [gpu["memory_mb"] for gpu in records[0]["gpus"]] == [1234, 40]
    assert [gpu["utilisation"] for gpu in records[0]["gpus"]] == [87, None]
    assert "--id=2,3" in (tmp_path / "bin" / "arguments").read_text()


def test_without_gpu_the_command_runs_alone(machine, tmp_path):
    output = tmp_path / "usage.gpu.jsonl"
    run = subprocess.run(
        command(output, "print('done')"), env={**machine, "CUDA_VISIBLE_DEVICES": ""}, capture_output=True
    )
    assert (run.returncode, run.stdout) == (0, b"done\n")
    assert not output.exists()


def test_a_signal_reaches_the_command(machine, tmp_path):
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
open(sys.argv[1], "w").close()
time.sleep(60)
"""
    ready = tmp_path / "ready"
    process = subprocess.Popen([*command(tmp_path / "usage.gpu.jsonl", code), ready], env=machine)
    while not ready.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 75


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("exit 9", "returned non-zero exit status 9"),
        ("echo No devices were found", "not enough values"),
        ("printf '\\377'", "can't decode byte 0xff"),
    ],
)
def test_a_driver_that_fails_or_says_something_else_is_recorded_and_stops_nothing(machine, tmp_path, program, error):
    (tmp_path / "bin" / "nvidia-smi").write_text(f"#!/bin/sh\n{program}\n")
    output = tmp_path / "usage.gpu.jsonl"
    assert subprocess.run(command(output, "raise SystemExit(7)"), env=machine).returncode == 7
    assert error in json.loads(output.read_text().splitlines()[0])["error"]
