"""Jobs without a scheduler: as many at once as there are GPUs, each with its own; too few GPUs are reported."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workflow_runs import ROOT

from core.local_gpus import PLACED, hold_gpus, missing_gpus, visible_gpus

SCRIPT = ROOT / "workflow" / "scripts" / "sample_gpu.py"
NVIDIA_SMI = """#!/bin/sh
case "$*" in
  *query-gpu=index*) echo 0; echo 1 ;;
  *) echo "NVIDIA L40S, [N/A], [N/A], [N/A]" ;;
esac
"""
# What a job does: it writes down which GPUs it sees and when it ran.
JOB = """
import json, os, sys, time
start = time.time()
time.sleep(0.5)
print(json.dumps({"gpus": os.environ.get("CUDA_VISIBLE_DEVICES"), "start": start, "end": time.time()}))
"""
SNAKEFILE = """
rule all:
    input: expand("{n}.json", n=range(5))

rule job:
    output: "{{n}}.json"
    resources: gpu=1
    shell:
        "date +%s.%N > {{wildcards.n}}.start;"
        " {python} {script} --gpus={{resources.gpu}} {{wildcards.n}}.jsonl {python} job.py > {{output}}"
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """The environment of a machine with two GPUs, and locks of the test's own."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", PLACED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def most_at_once(runs):
    """The most runs at one moment: that is reached when one of them starts."""
    return max(sum(other["start"] <= run["start"] < other["end"] for other in runs) for run in runs)


def test_the_local_profile_runs_as_many_gpu_jobs_as_there_are_gpus_each_on_its_own(machine):
    (machine / "job.py").write_text(JOB)
    (machine / "Snakefile").write_text(SNAKEFILE.format(python=sys.executable, script=SCRIPT, n="{n}"))
    command = [sys.executable, "-m", "snakemake", "--profile", ROOT / "profiles" / "local", "--cores", "5"]
    subprocess.run(command, cwd=machine, check=True, capture_output=True)
    runs = [json.loads((machine / f"{n}.json").read_text()) for n in range(5)]
    assert {run["gpus"] for run in runs} == {"0", "1"}
    for gpu in ("0", "1"):
        assert most_at_once([run for run in runs if run["gpus"] == gpu]) == 1
    # The scheduler itself starts no more: a job that waits for a GPU would hold cores.
    started = [{**run, "start": float((machine / f"{n}.start").read_text())} for n, run in enumerate(runs)]
    assert most_at_once(started) == 2


def test_two_snakemakes_share_the_gpus_of_a_machine(machine):
    job = [sys.executable, SCRIPT, "--gpus=1", machine / "use.jsonl", sys.executable, "-c", JOB]
    jobs = [subprocess.Popen(job, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    runs = [json.loads(one.communicate(timeout=60)[0]) for one in jobs]
    for gpu in ("0", "1"):
        assert most_at_once([run for run in runs if run["gpus"] == gpu]) == 1


def test_a_gpu_stays_held_while_a_child_of_a_killed_job_lives(machine):
    sleeper = [sys.executable, "-c", "import sys, time; open(sys.argv[1], 'w').close(); time.sleep(3)", machine / "up"]
    job = subprocess.Popen([sys.executable, SCRIPT, "--gpus=2", machine / "use.jsonl", *sleeper])
    while not (machine / "up").exists():
        time.sleep(0.05)
    job.kill()
    job.wait()
    start = time.monotonic()
    assert hold_gpus(2, ["0", "1"]) == ["0", "1"]
    assert time.monotonic() - start > 0.5


def test_a_job_without_gpus_sees_none_and_one_with_too_many_ends_with_a_sentence(machine):
    show = [sys.executable, "-c", "import os; print(repr(os.environ.get('CUDA_VISIBLE_DEVICES')))"]
    command = [sys.executable, SCRIPT, "--gpus=0", machine / "use.jsonl", *show]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "''\n"
    command[2] = "--gpus=3"
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "error: this machine has 2 GPU(s), fewer than these jobs ask for: this job (3); lower gpus\n"


def test_jobs_within_an_allocation_share_its_gpus(machine, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6")
    job = [sys.executable, SCRIPT, "--gpus=1", machine / "use.jsonl", sys.executable, "-c", JOB]
    jobs = [subprocess.Popen(job, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    runs = [json.loads(one.communicate(timeout=60)[0]) for one in jobs]
    assert {run["gpus"] for run in runs} <= {"5", "6"}
    for gpu in {run["gpus"] for run in runs}:
        assert most_at_once([run for run in runs if run["gpus"] == gpu]) == 1
    assert (machine / f"svg-captioning-gpus-{os.getuid()}-7").is_dir()


def test_a_job_that_waits_says_so_once_and_then_runs(machine, monkeypatch):
    """The first holds all GPUs until it may end; another allocation has locks of its own."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6")
    hold = "import sys; print('up', flush=True); sys.stdin.read()"
    command = [sys.executable, SCRIPT, "--gpus=2", machine / "use.jsonl", sys.executable, "-c"]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    first = subprocess.Popen([*command, hold], **streams)
    assert first.stdout.readline() == "up\n"
    second = subprocess.Popen([*command, JOB], **streams)
    assert second.stderr.readline() == "waiting for 2 of the GPUs 5, 6: other jobs hold them\n"
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    elsewhere = subprocess.run([*command, JOB], capture_output=True, text=True, timeout=60)
    assert (json.loads(elsewhere.stdout)["gpus"], elsewhere.stderr) == ("5,6", "")
    time.sleep(1.5)  # the second tries again, and says no more
    first.communicate(timeout=60)
    output, errors = second.communicate(timeout=60)
    assert (json.loads(output)["gpus"], errors) == ("5,6", "")


def test_what_a_cluster_has_given_stays_as_it_is(machine, monkeypatch):
    monkeypatch.setenv(PLACED, "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    show = [sys.executable, "-c", "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"]
    run = subprocess.run(
        [sys.executable, SCRIPT, "--gpus=1", machine / "use.jsonl", *show], capture_output=True, text=True
    )
    assert run.stdout == "5\n"


def test_a_gpu_that_reports_nothing_and_a_full_disk_end_no_job(machine):
    command = [sys.executable, SCRIPT, "--gpus=1", machine / "use.jsonl", sys.executable, "-c", "print('done')"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "done\n"
    assert json.loads((machine / "use.jsonl").read_text().splitlines()[0])["gpus"][0]["memory_mb"] is None
    command[3] = Path("/dev/full")
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "done\n")


def test_missing_gpus_are_named_in_capitals_where_there_are_none():
    assert missing_gpus({"train_lora": 1, "compare": 0}, 1) is None
    message = missing_gpus({"train_lora": 2, "caption_llm": 1}, 0)
    assert message
    assert message.startswith("THIS MACHINE HAS NO GPU")
    assert "caption_llm (1), train_lora (2)" in message


def test_gpus_that_are_hidden_are_not_there(machine, monkeypatch):
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert visible_gpus() == ["1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []


def test_a_broken_driver_gives_no_gpus_and_no_limit(machine):
    (machine / "bin" / "nvidia-smi").write_text("#!/bin/sh\necho Failed to initialize NVML: driver mismatch; exit 9\n")
    assert visible_gpus() == []
    (machine / "job.py").write_text(JOB)
    (machine / "Snakefile").write_text(SNAKEFILE.format(python=sys.executable, script=SCRIPT, n="{n}"))
    command = [sys.executable, "-m", "snakemake", "--profile", ROOT / "profiles" / "local", "--cores", "1", "0.json"]
    run = subprocess.run(command, cwd=machine, capture_output=True, text=True, check=True)
    assert "Provided resources" not in run.stderr
    assert json.loads((machine / "0.json").read_text())["gpus"] is None


def test_a_program_that_cannot_be_run_ends_no_job(machine):
    (machine / "bin" / "nvidia-smi").write_bytes(b"\x7fELF is no program")
    command = [sys.executable, SCRIPT, "--gpus=1", machine / "use.jsonl", sys.executable, "-c", "print('done')"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "done\n")
    assert "Traceback" not in run.stderr


def test_the_log_of_a_job_says_that_there_is_no_gpu(machine):
    (machine / "bin" / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    command = [sys.executable, SCRIPT, "--gpus=1", machine / "use.jsonl", sys.executable, "-c", ""]
    run = subprocess.run(command, capture_output=True, text=True)
    assert "THIS MACHINE HAS NO GPU" in run.stderr
    assert "this job (1)" in run.stderr
