"""Say in one line why the locked packages can't be installed here. Runs before them, and with older Pythons."""

import platform
import sys

LEAST_PYTHON = (3, 11)
LEAST_GLIBC = (2, 34)  # of the wheels of svg2png-py


def find_fault(python, libc):
    """What is too old, or an empty text; `python` are the numbers of its version, `libc` as platform.libc_ver()."""
    if python < LEAST_PYTHON:
        return "Python 3.11 or newer is needed, this is {}.{}".format(*python[:2])
    name, version = libc
    if name == "glibc" and tuple(map(int, version.split(".")[:2])) < LEAST_GLIBC:
        return (
            f"The packages need glibc 2.34 or newer (RHEL 9, Debian 12, Ubuntu 22.04), this is {version}: "
            "use the container of envs/Containerfile"
        )
    return ""


if __name__ == "__main__":
    sys.exit(find_fault(sys.version_info[:2], platform.libc_ver()) or 0)
