"""The environments: what both files of one pin, and what is said while the locked packages are installed."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
INSTALLER = runpy.run_path(str(ROOT / "envs/install_locked.py"))


@pytest.mark.parametrize("name", ["cogvlm", "vllm"])
def test_both_files_of_an_environment_pin_the_same_versions(name):
    lines = (ROOT / f"envs/{name}.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    conda = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    assert conda["dependencies"][-1] == {"pip": pins}
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in pins)


def test_pip_s_lines_are_counted_and_the_large_files_said(tmp_path):
    local = tmp_path / "nvidia_nccl-2.1-py3-none-any.whl"
    local.write_bytes(bytes(60_000_000))
    lines = [
        "Collecting torch==2.14.1 (from -r requirements.lock (line 190))",
        "  Downloading torch-2.14.1-cp311-none-linux_x86_64.whl.metadata (28 kB)",
        "Downloading https://files.example/torch-2.14.1-cp311-none-linux_x86_64.whl (554.6 MB)",
        "  Using cached attrs-26.1.0-py3-none-any.whl (67 kB)",
        f"Processing {local} (from -r requirements.lock (line 103))",
        "Installing collected packages: attrs, torch, nvidia-nccl",
    ]
    progress = INSTALLER["Progress"]()
    assert [said for line in lines if (said := progress.read(line))] == [
        f"0.6 of {INSTALLER['DOWNLOAD_GB']} GB: torch 555 MB",
        f"0.6 of {INSTALLER['DOWNLOAD_GB']} GB: nvidia_nccl 60 MB",
        "unpacking 3 packages; this takes a minute or two",
    ]
    assert progress.megabytes == pytest.approx(614.667)


def test_the_space_that_the_installer_names_is_what_is_taken():
    command = ["du", "--summarize", "--bytes", "--dereference-args", sys.prefix]
    taken = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0])
    assert taken / 1e9 == pytest.approx(INSTALLER["INSTALLED_GB"], rel=0.1)


def test_a_failed_installation_shows_the_end_of_pip_s_output(tmp_path, capsys):
    wrong = tmp_path / "wrong.lock"
    wrong.write_text("not a requirement==1\n")
    assert INSTALLER["main"](lock=wrong, alone=wrong, log=tmp_path / "pip.log") != 0
    shown = capsys.readouterr().out
    assert shown.startswith("Installing 2 packages: about")
    assert "Invalid requirement" in shown
