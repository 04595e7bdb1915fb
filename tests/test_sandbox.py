"""What a worker can still reach, with a function that tries: the guard of drawings has no part in it."""

import base64
import io
import socket
import subprocess
from pathlib import Path

import pytest
from lxml import etree
from PIL import Image as Picture

from rendering.fonts import find_fonts
from rendering.renderers import draw_with_resvg
from rendering.sandbox import available_measures, describe_measures
from rendering.worker_pool import Limits, map_killable

LIMITS = Limits(workers=1, seconds=20, memory_mb=512)
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
    if kind == "connect":
        return socket.create_connection(("127.0.0.1", value), timeout=5).close()
    if kind == "socket":
        return socket.socket(getattr(socket, value)).close()
    if kind == "run":
        return subprocess.run(["true"]).returncode
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
    denied = ["PermissionError" in reason for reason in reasons_of(*tries, limits=limits)]
    assert denied == [False, True, True, True, True, False]


@needs["seccomp"]
def test_no_socket_can_be_opened_and_no_program_started():
    with socket.create_server(("127.0.0.1", 0)) as server:
        tries = [("connect", server.getsockname()[1]), ("socket", "AF_UNIX"), ("socket", "AF_NETLINK"), ("run", "")]
        assert all("PermissionError" in reason for reason in reasons_of(*tries))


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
