"""Run a command on GPUs of its own, and write down now and then what they do.

    python workflow/scripts/sample_gpu.py --gpus 1 logs/train_lora/tiny.log.gpu.jsonl python train_lora.py ...

Input: any command. Output: JSON lines, one a sample: `attempt` (when the command started), `time` (both in seconds
since 1970), and for each visible GPU its `name`, `memory_mb` in use, `memory_total_mb`, and `utilisation` in percent
(null where the GPU does not tell, as MIG slices), all by nvidia-smi; `error` instead of `gpus` where that fails. The
last line of an attempt has its exit code as `end`; a killed one has none. report/gpu_use.py reads these files.
Attempts of one job stand in one file. Without GPU the command runs alone and no file is written.
With --gpus N the command waits for N free GPUs and sees these alone, unless SLURM has given it its GPUs.
The exit code is the command's own, and SIGTERM and SIGINT are passed on to it.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from core.local_gpus import VARIABLE, hold_gpus, is_scheduled, missing_gpus, visible_gpus

QUERY = "name,memory.used,memory.total,utilization.gpu"
SECONDS_BETWEEN_SAMPLES = 10.0


def sample(visible: str | None) -> list[dict[str, str | int | None]]:
    """The state of each visible GPU (`CUDA_VISIBLE_DEVICES`; None for all).

    Raises SubprocessError where nvidia-smi fails or hangs.
    """
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    command += [f"--id={visible}"] if visible else []
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return [
        {
            "name": name,
            "memory_mb": _number(used),
            "memory_total_mb": _number(total),
            "utilisation": _number(utilisation),
        }
        for name, used, total, utilisation in csv.reader(text.splitlines(), skipinitialspace=True)
    ]


def _number(text: str) -> int | None:
    """A number of nvidia-smi; None for what a GPU does not report ("[N/A]")."""
    return int(text) if text.isdigit() else None


def run_and_sample(command: list[str], output: Path, visible: str | None) -> int:
    """Run a command to its end, with a line in `output` for each sample; its exit code."""
    attempt = time.time()
    process = subprocess.Popen(command, close_fds=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: process.send_signal(received))
    while process.poll() is None:
        try:
            _append(output, attempt, gpus=sample(visible))
        # The command goes on: hours of training outweigh a sample. ValueError: a line of other columns.
        except (subprocess.SubprocessError, OSError, ValueError) as error:
            _append(output, attempt, error=str(error))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=SECONDS_BETWEEN_SAMPLES)
    _append(output, attempt, end=process.returncode)
    return process.returncode


def _append(output: Path, attempt: float, **what: object) -> None:
    record = {"attempt": round(attempt, 3), "time": round(time.time(), 3), **what}
    with contextlib.suppress(OSError):  # a full disk ends no training
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("a") as lines:
            lines.write(json.dumps(record) + "\n")


def main(output: Path, command: list[str], gpus: int | None = None) -> int:
    """Run the command, with samples where there is a GPU; its exit code."""
    if gpus is not None and not is_scheduled():
        found = visible_gpus()
        if found and (lacking := missing_gpus({"this job": gpus}, len(found))):
            sys.exit(f"error: {lacking}")
        if found:
            os.environ[VARIABLE] = ",".join(hold_gpus(gpus, found))
        elif message := missing_gpus({"this job": gpus}, 0):
            print(message, file=sys.stderr)
    visible = os.environ.get(VARIABLE)
    if visible == "" or not shutil.which("nvidia-smi"):
        os.execvp(command[0], command)
    code = run_and_sample(command, output, visible)
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, help="GPUs that the command gets, those of others are hidden from it")
    parser.add_argument("output", type=Path, help="JSON lines to write")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command with its arguments")
    arguments = parser.parse_args()
    sys.exit(main(arguments.output, arguments.command, arguments.gpus))
