"""What a worker writes to its standard error: a crash is told by the reason, all other messages go on."""

import os
import sys
import time
from functools import partial

import pytest
from hostile_drawings import VISIBLE, wrap

from rendering.image_records import WARM_UP
from rendering.renderers import PictureStyle, render_xml
from rendering.worker_pool import Limits, map_killable

PANICS = wrap(
    '<filter id="f" width="3e38" height="3e38"><feGaussianBlur stdDeviation="3"/></filter>'
    '<rect width="9" height="9" filter="url(#f)"/>'
)
STACK_OVERFLOW = "\nthread '<unnamed>' (4711) has overflowed its stack\nfatal runtime error: stack overflow\n"


def speak(item):
    text, end = item
    print(text, file=sys.stderr)
    if end == "abort":
        os.abort()
    if end == "exit":
        os._exit(3)
    if end == "hang":
        time.sleep(60)
    return end


@pytest.mark.parametrize("backtrace", ["0", "1", "full"])
def test_a_panic_of_resvg_is_in_the_reason_and_not_on_the_terminal(monkeypatch, capfd, backtrace):
    monkeypatch.setenv("RUST_BACKTRACE", backtrace)
    render = partial(render_xml, style=PictureStyle(size=32))
    drawings = [PANICS, wrap(VISIBLE), PANICS]
    outcomes = list(map_killable(render, drawings, Limits(1, 20, 768), WARM_UP))
    assert [bool(outcome.value) for outcome in outcomes] == [False, True, False]
    assert "resvg cannot draw it (called `Option::unwrap()`" in outcomes[0].reason
    assert ", in tiny-skia-path-" in outcomes[0].reason
    assert outcomes[0].reason == outcomes[2].reason
    assert capfd.readouterr().err == ""


def test_a_signal_that_ends_a_worker_is_told_with_its_last_words(capfd):
    items = [(STACK_OVERFLOW, "abort"), ("memory allocation of 40 bytes failed\nstack backtrace:", "abort")]
    reasons = [outcome.reason for outcome in map_killable(speak, items, Limits(1, 20, 256), ("", ""))]
    assert reasons == [
        "the worker process died (SIGABRT: has overflowed its stack fatal runtime error: stack overflow)",
        "the worker process died (SIGABRT: memory allocation of 40 bytes failed)",
    ]
    assert capfd.readouterr().err.strip() == ""


def test_other_messages_go_on(capfd):
    items = [("one", "value"), ("two", "exit"), ("three", "hang"), ("four", "value")]
    list(map_killable(speak, items, Limits(1, 3, 256), ("warm", "value")))
    told = capfd.readouterr().err.split()
    assert [word for word in told if word != "warm"] == ["one", "two", "three", "four"]
