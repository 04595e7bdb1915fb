"""What the kernel forbids a process that draws: files beside fonts and Python's own, the network, other programs.

The guard (svg/guard.py) removes references from drawings; this is for what it might overlook. Two measures of Linux are
used where they exist. Both need no privileges and cannot be undone: Landlock (kernel 5.13 and later) for files, seccomp
(on x86-64 and AArch64) for sockets and programs. System calls and constants are those of linux/landlock.h,
linux/seccomp.h and linux/audit.h, for which neither Python nor a well-kept package that pip installs has a binding.
Landlock binds the thread that asks for it and those that it starts; both back ends draw in the thread that calls them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from collections.abc import Iterable

LIBC = ctypes.CDLL(None, use_errno=True)
NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS; without it a process without privileges may restrict nothing

# Landlock: numbers of system calls are those of all machines.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG, PATH_BENEATH = 1, 1
READ_FILE, READ_FOLDER = 1 << 2, 1 << 3
ALL_RIGHTS = (
    (1 << 13) - 1 - 1
)  # those of its first version, but for the right to execute, which loading a library needs

# seccomp: (architecture, seccomp, then what is forbidden: socket, connect, execve, execveat, io_uring_setup).
SECCOMP_CALLS = {
    "x86_64": (0xC000003E, 317, (41, 42, 59, 322, 425)),
    "aarch64": (0xC00000B7, 277, (198, 203, 221, 281, 425)),
}
SET_FILTER, ALL_THREADS = 1, 1
FIRST_X32_CALL = 0x40000000  # other numbers of the same calls on x86-64
LOAD, JUMP_IF_EQUAL, JUMP_IF_GREATER_EQUAL, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, DENY = 0x7FFF0000, 0x00050000 | errno.EACCES

# What libraries open when they are first used.
SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/dev/urandom")


class Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr of the first version."""

    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class PathRule(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class Instruction(ctypes.Structure):
    """struct sock_filter."""

    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction)))


def available_measures() -> list[str]:
    """What this kernel offers of `landlock` and `seccomp`."""
    found = ["landlock"] if LIBC.syscall(CREATE_RULESET, None, 0, VERSION_FLAG) >= 1 else []
    # With a filter that is none the call fails with EFAULT where it exists.
    if platform.machine() in SECCOMP_CALLS:
        _, call, _ = SECCOMP_CALLS[platform.machine()]
        LIBC.syscall(call, SET_FILTER, 0, None)
        found += ["seccomp"] if ctypes.get_errno() == errno.EFAULT else []
    return found


def describe_measures() -> str:
    """A sentence for the log."""
    found = available_measures()
    files = "only fonts and Python's own files can be opened" if "landlock" in found else "files are not forbidden"
    network = "no socket can be opened" if "seccomp" in found else "the network is not forbidden"
    return f"to a worker {files}, {network} by the kernel ({', '.join(found) or 'it has neither Landlock nor seccomp'})"


def enter_sandbox(readable: Iterable[str]) -> None:
    """Forbid this process for good all files but those in `readable` (files or folders), sockets, other programs.

    As far as `available_measures` go. Raises OSError where the kernel refuses one of them.
    """
    measures = available_measures()
    if measures:
        _check(LIBC.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    if "landlock" in measures:
        # Modules that are imported late lie on sys.path, libraries that they load below the prefixes.
        _forbid_files([*readable, *filter(None, sys.path), sys.prefix, sys.base_prefix, *SYSTEM_FOLDERS])
    if "seccomp" in measures:
        _forbid_calls(*SECCOMP_CALLS[platform.machine()])


def _forbid_files(readable: Iterable[str]) -> None:
    """Landlock: no file is opened or made, but that these can be read."""
    attribute = Ruleset(ALL_RIGHTS)
    ruleset = _check(LIBC.syscall(CREATE_RULESET, ctypes.byref(attribute), ctypes.sizeof(attribute), 0))
    for path in filter(os.path.exists, readable):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = PathRule(READ_FILE | READ_FOLDER if os.path.isdir(path) else READ_FILE, place)
        _check(LIBC.syscall(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0))
        os.close(place)
    _check(LIBC.syscall(RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _forbid_calls(architecture: int, seccomp: int, calls: tuple[int, ...]) -> None:
    """seccomp: these system calls, and all of another architecture, fail with EACCES."""
    steps = [
        (LOAD, None, 4),  # seccomp_data.arch
        (JUMP_IF_EQUAL, "unless", architecture),
        (LOAD, None, 0),  # seccomp_data.nr
        (JUMP_IF_GREATER_EQUAL, "if", FIRST_X32_CALL),
        *((JUMP_IF_EQUAL, "if", call) for call in calls),
        (RETURN, None, ALLOW),
        (RETURN, None, DENY),
    ]
    last = len(steps) - 1
    instructions = [
        Instruction(code, last - 1 - place if kind == "if" else 0, last - 1 - place if kind == "unless" else 0, k)
        for place, (code, kind, k) in enumerate(steps)
    ]
    program = Program(len(instructions), (Instruction * len(instructions))(*instructions))
    _check(LIBC.syscall(seccomp, SET_FILTER, ALL_THREADS, ctypes.byref(program)))


def _check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"the kernel refused to restrict a worker: {os.strerror(ctypes.get_errno())}")
    return result
