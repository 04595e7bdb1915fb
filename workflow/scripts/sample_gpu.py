"""Run a command, and write down now and then what its GPUs do.

    python workflow/scripts/sample_gpu.py benchmarks/train_lora/tiny.gpu.jsonl python train_lora.py --name tiny ...

Input: any command. Output: JSON lines, one a sample: `attempt` (when the command started), `time` (both in seconds
since 1970), and for each visible GPU its `name`, `memory_mb` in use, `memory_total_mb`, and `utilisation` in percent
(null where the GPU does not tell, as MIG slices), all by nvidia-smi; `error` instead of `gpus` where that fails. The
last line of an attempt has its exit code as `end`; a killed one has none. report/gpu_use.py reads these files.
Attempts of one job stand in one file. Without GPU the command runs alone and no file is written.
The exit code is the command's own, and SIGTERM and SIGINT are passed on to it.
"""

from __future__ import annotations

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
            "memory_mb": int(used),
            "memory_total_mb": int(total),
            "utilisation": int(utilisation) if utilisation.isdigit() else None,
        }
        for name, used, total, utilisation in csv.reader(text.splitlines(), skipinitialspace=True)
    ]


def run_and_sample(command: list[str], output: Path, visible: str | None) -> int:
    """Run a command to its end, with a line in `output` for each sample; its exit code."""
    attempt = time.time()
    process = subprocess.Popen(command, close_fds=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: process.send_signal(received))
    output.parent.mkdir(parents=True, exist_ok=True)
    while process.poll() is None:
        try:
            _append(output, attempt, gpus=sample(visible))
        except subprocess.SubprocessError as error:  # the command goes on: hours of training outweigh a sample
            _append(output, attempt, error=str(error))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=SECONDS_BETWEEN_SAMPLES)
    _append(output, attempt, end=process.returncode)
    return process.returncode


def _append(output: Path, attempt: float, **what: object) -> None:
    record = {"attempt": round(attempt, 3), "time": round(time.time(), 3), **what}
    with output.open("a") as lines:
        lines.write(json.dumps(record) + "\n")


def main(output: Path, command: list[str]) -> int:
    """Run the command, with samples where there is a GPU; its exit code."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible == "" or not shutil.which("nvidia-smi"):
        os.execvp(command[0], command)
    code = run_and_sample(command, output, visible)
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
