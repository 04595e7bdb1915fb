"""Scripts as commands: one line for what a person can fix, whole files or none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core import command
from core.command import format_duration, write_whole

SCRIPTS = Path(command.__file__).parents[1]


def run(script, *arguments):
    return subprocess.run([sys.executable, SCRIPTS / script, *map(str, arguments)], capture_output=True, text=True)


def full_disk_at(output):
    """Let the kernel answer that there is no space when `output` is written: beside it stands the full device."""
    output.with_name(output.name + ".partial").symlink_to("/dev/full")
    return output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full (Linux)")
@pytest.mark.parametrize("full", ["output.parquet", "rejected.csv", "counts.json"])
def test_no_space_left_is_one_line_and_leaves_nothing(tmp_path, full):
    records = [
        {"id": f"d{n}", "svg": f'<svg><rect width="{n + 1}" height="9"/></svg>', "caption": "x"} for n in range(9)
    ]
    (tmp_path / "in.json").write_text(json.dumps(records))
    output = full_disk_at(tmp_path / full)
    done = run(
        "preprocess_svg.py",
        *("--input", tmp_path / "in.json", "--source", "mine", "--fields", "{}", "--canvas", 512, "--precision", 0),
        *("--level", "compact", "--workers", 1, "--output", tmp_path / "output.parquet"),
        *("--rejected", tmp_path / "rejected.csv", "--counts", tmp_path / "counts.json"),
    )
    assert done.returncode == 1
    assert "error of this machine: no space left on the device" in done.stderr
    assert "free some space, then rerun" in done.stderr
    assert "Traceback" not in done.stderr
    assert not os.path.lexists(output)
    assert not list(tmp_path.glob("*.partial"))


def write_and_fail(path):
    path.write_text("sec")
    raise OSError("full")


def test_a_file_is_there_when_it_is_whole_and_the_old_one_until_then(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with write_whole(path) as partial:
        partial.write_text("first")
        assert not path.exists()
    with pytest.raises(OSError, match="full"), write_whole(path) as partial:
        write_and_fail(partial)
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_bad_input_is_one_line_and_exit_code_one(tmp_path):
    done = run(
        "preprocess_svg.py",
        *("--input", tmp_path / "nowhere.json", "--source", "mine", "--output", tmp_path / "o.parquet"),
        *("--rejected", tmp_path / "r.csv", "--counts", tmp_path / "c.json"),
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "nowhere.json" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("started", "states"), [(SCRIPTS / "train_lora.py", "False True"), ("-c", "True True")])
def test_the_garbage_collector_waits_for_the_imports_of_a_command_alone(started, states):
    code = f"""import argparse, gc, sys
sys.argv[0] = {str(started)!r}
from core import command, quiet_libraries
print(gc.isenabled(), end=" ")
command.run_command(lambda: print(gc.isenabled(), end=""), argparse.ArgumentParser())"""
    done = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert done.stdout == states


@pytest.mark.parametrize(("seconds", "text"), [(4.13, "4.1 s"), (192, "3 min 12 s"), (7500, "2 h 05 min")])
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
