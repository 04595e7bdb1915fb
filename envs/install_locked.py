"""Install locked packages with pip, and say how far it is; the whole output of pip goes to a log.

.venv/bin/python envs/install_locked.py --lock requirements.lock --alone requirements-demo.lock --log pip.log
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import TextIO

# Of both locks, on Linux x86-64 with Python 3.11. A test compares the second with what is installed.
DOWNLOAD_GB, INSTALLED_GB = 3.4, 7.7
LEAST_SHOWN_MB = 50  # smaller files are counted and not shown
UNITS_IN_MB = {"kB": 1e-3, "MB": 1.0, "GB": 1e3}

_FETCHED = re.compile(r"\s*(?:Downloading|Using cached) (?P<file>\S+\.whl) \((?P<size>[\d.]+) (?P<unit>kB|MB|GB)\)")
_LOCAL = re.compile(r"\s*Processing (?P<path>\S+\.whl)(?: \(from .*)?$")


class Progress:
    """How far pip is, by the lines that it prints."""

    def __init__(self) -> None:
        self.megabytes = 0.0

    def read(self, line: str) -> str | None:
        """What to say of a line of pip's; None where nothing is to be said."""
        if line.startswith("Installing collected packages"):
            return f"unpacking {line.count(',') + 1} packages; this takes a minute or two"
        if fetched := _FETCHED.match(line):
            return self._count(fetched["file"], float(fetched["size"]) * UNITS_IN_MB[fetched["unit"]])
        if (local := _LOCAL.match(line)) and Path(local["path"]).is_file():
            return self._count(local["path"], Path(local["path"]).stat().st_size / 1e6)
        return None

    def _count(self, file: str, megabytes: float) -> str | None:
        self.megabytes += megabytes
        if megabytes < LEAST_SHOWN_MB:
            return None
        return f"{self.megabytes / 1e3:.1f} of {DOWNLOAD_GB} GB: {Path(file).name.split('-')[0]} {megabytes:.0f} MB"


def count_packages(lock: Path) -> int:
    """Packages that a lock names."""
    return sum("==" in line.split("#")[0] for line in lock.read_text(encoding="utf-8").splitlines())


def run_pip(arguments: list[str], log: TextIO, progress: Progress) -> int:
    """Install by pip. Returns its exit status."""
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    pip = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert pip.stdout
    for line in pip.stdout:
        log.write(line)
        if said := progress.read(line):
            print(f"  {said}", flush=True)
    return pip.wait()


def main(*, log: Path, lock: Path, alone: Path) -> int:
    """Install what the locks name, those of `alone` without what they depend on. Returns the exit status of pip."""
    n_packages = count_packages(lock) + count_packages(alone)
    print(
        f"Installing {n_packages} packages: about {DOWNLOAD_GB} GB to download, {INSTALLED_GB} GB on disk", flush=True
    )
    progress = Progress()
    with open(log, "w", encoding="utf-8") as file:
        status = run_pip(["-r", str(lock)], file, progress) or run_pip(["--no-deps", "-r", str(alone)], file, progress)
    if status:
        print(*log.read_text(encoding="utf-8").splitlines()[-15:], f"pip failed; its output is in {log}", sep="\n")
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Install locked packages with pip, and say how far it is.")
    parser.add_argument("--lock", type=Path, required=True, help="requirements.lock")
    parser.add_argument("--alone", type=Path, required=True, help="a lock of packages without their dependencies")
    parser.add_argument("--log", type=Path, required=True, help="file for the whole output of pip")
    sys.exit(main(**vars(parser.parse_args())))
