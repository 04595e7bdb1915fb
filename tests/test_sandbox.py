"""What a worker can still reach, with a function that tries: the guard of drawings has no part in it."""

import base64
import ctypes
import errno
import io
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree
from PIL import Image as Picture

from rendering.fonts import find_fonts
from rendering.renderers import draw_with_resvg
from rendering.sandbox import available_measures, describe_measures
from rendering.worker_pool import Limits, map_killable

LIMITS = Limits(workers=1, seconds=20, memory_mb=512)
# By the kernel's tables: socket, connect, execve, execveat, io_uring_setup; of x86-64 socket by its x32 number as well.
CALLS = {"x86_64": (41, 42, 59, 322, 425, 0x40000000 + 41), "aarch64": (198, 203, 221, 281, 425)}
needs = {
    name: pytest.mark.skipif(name not in available_measures(), reason=f"this kernel has no {name}")
    for name in ("landlock", "seccomp")
}


def attempt(what):
    """Reach for something; runs in a worker."""
    kind, value = what
    if kind == "read":
        return len(Path(value).read_bytes())
    if kind == "write":
        return Path(value).write_text("x")
    if kind == "make":
        return Path(value).mkdir()
    if kind == "remove":
        return Path(value).unlink()
    if kind == "call":
        ctypes.CDLL(None, use_errno=True).syscall(value, -1, None, None)
        return ctypes.get_errno()
    if kind == "connect":
        return socket.create_connection(("127.0.0.1", value), timeout=5).close()
    if kind == "socket":
        return socket.socket(getattr(socket, value)).close()
    if kind == "run":
        return subprocess.run([sys.executable, "-c", ""]).returncode  # a file that can be read
    if kind == "draw":
        return draw_with_resvg(etree.fromstring(value), find_fonts(()), (255, 255, 255)).getpixel((5, 5))
    return None


def reasons_of(*attempts, limits=LIMITS):
    return [outcome.reason for outcome in map_killable(attempt, attempts, limits, ("nothing", ""))]


@needs["landlock"]
def test_no_file_can_be_opened_but_those_that_are_named(tmp_path):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "named").write_text("x")
    limits = Limits(1, 20, 512, readable=(str(tmp_path / "named"),))
    tries = [("read", tmp_path / "named"), ("read", tmp_path / "secret"), ("read", "/etc/passwd")]
    tries += [("write", tmp_path / "named"), ("write", tmp_path / "new"), ("read", find_fonts(())[0])]
    tries += [("make", tmp_path / "folder"), ("remove", tmp_path / "named")]
    denied = ["PermissionError" in reason for reason in reasons_of(*tries, limits=limits)]
    assert denied == [False, True, True, True, True, False, True, True]
    assert {path.name for path in tmp_path.iterdir()} == {"secret", "named"}


@needs["seccomp"]
def test_no_socket_can_be_opened_and_no_program_started():
    with socket.create_server(("127.0.0.1", 0)) as server:
        tries = [("connect", server.getsockname()[1]), ("socket", "AF_UNIX"), ("socket", "AF_NETLINK"), ("run", "")]
        assert all("PermissionError" in reason for reason in reasons_of(*tries))


@needs["seccomp"]
def test_each_call_that_reaches_out_is_refused_by_the_kernel():
    """With arguments that are none: of a call that is allowed the kernel would say that these are wrong."""
    tries = [("call", number) for number in CALLS[platform.machine()]]
    found = [outcome.value for outcome in map_killable(attempt, tries, LIMITS, ("nothing", ""))]
    assert found == [errno.EACCES] * len(tries)


@needs["landlock"]
def test_a_drawing_with_text_that_no_guard_has_seen_reads_no_file(tmp_path):
    """resvg itself reads what an image names; without the sandbox the pixel is red."""
    Picture.new("RGB", (9, 9), "red").save(tmp_path / "secret.png")
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">'
        '<image href="{}" width="20" height="20"/><text y="18" font-family="DejaVu Sans">a</text></svg>'
    )
    outside = draw_with_resvg(etree.fromstring(drawing.format(tmp_path / "secret.png")), find_fonts(()), (255,) * 3)
    assert outside.getpixel((5, 5)) == (255, 0, 0)
    embedded = io.BytesIO()
    Picture.new("RGB", (9, 9), "red").save(embedded, "PNG")
    link = f"data:image/png;base64,{base64.b64encode(embedded.getvalue()).decode()}"
    tries = [("draw", drawing.format(tmp_path / "secret.png")), ("draw", drawing.format(link))]
    values = [outcome.value for outcome in map_killable(attempt, tries, LIMITS, ("nothing", ""))]
    assert values == [(255, 255, 255), (255, 0, 0)]


def test_the_log_says_what_the_kernel_forbids(monkeypatch):
    monkeypatch.setattr("rendering.sandbox.available_measures", lambda: ["seccomp"])
    assert describe_measures().startswith("to a worker files are not forbidden, no socket can be opened")
