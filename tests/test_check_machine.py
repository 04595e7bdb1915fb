"""A machine that is too old is told so before anything is installed."""

import runpy
import subprocess
import sys

import pytest
from workflow_runs import ROOT

SCRIPT = ROOT / "envs" / "check_machine.py"
find_fault = runpy.run_path(str(SCRIPT))["find_fault"]


@pytest.mark.parametrize(
    ("python", "libc", "said"),
    [
        ((3, 10), ("glibc", "2.36"), "Python 3.11 or newer is needed, this is 3.10"),
        ((3, 12), ("glibc", "2.28"), "glibc 2.34 or newer"),
        ((3, 12), ("glibc", "2.28"), "this is 2.28: use the container"),
    ],
)
def test_what_is_too_old_is_named(python, libc, said):
    assert said in find_fault(python, libc)


@pytest.mark.parametrize("libc", [("glibc", "2.34"), ("glibc", "3.0"), ("", "")])
def test_other_machines_pass(libc):
    assert find_fault((3, 11), libc) == ""


def test_this_machine_passes():
    assert subprocess.run([sys.executable, SCRIPT]).returncode == 0
