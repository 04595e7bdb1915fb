"""Workers that can be killed: what one does costs its own item, and a stream of items stays a stream."""

import os
import time

import pytest

from rendering.worker_pool import WINDOW, Limits, StandingWorker, map_killable


def misbehave(item):
    if item == "hang":
        time.sleep(60)
    if item == "die":
        os._exit(3)
    if item == "eat":
        bytearray(10**10)
    if item == "slow":
        time.sleep(1)
    if item == "raise":
        raise ValueError("bad drawing")
    return item


def test_a_worker_that_hangs_dies_eats_or_raises_is_replaced():
    items = ["a", "hang", "b", "die", "c", "eat", "d", "raise", "e"]
    outcomes = list(map_killable(misbehave, items, Limits(workers=2, seconds=4, memory_mb=256)))
    assert [outcome.value for outcome in outcomes] == ["a", None, "b", None, "c", None, "d", None, "e"]
    reasons = [outcome.reason for outcome in outcomes if outcome.reason]
    assert reasons == [
        "took longer than 4 seconds",
        "the worker process died (exit code 3)",
        "needed more than 256 MiB of memory",
        "ValueError: bad drawing",
    ]


def test_what_waits_behind_an_item_that_kills_its_worker_is_done_by_another():
    items = [name for number in range(6) for name in (f"before {number}", "die", f"after {number}", "x" * 100_000)]
    outcomes = list(map_killable(misbehave, items, Limits(workers=2, seconds=20, memory_mb=256)))
    assert [outcome.value for outcome in outcomes] == [None if item == "die" else item for item in items]


def test_the_clock_of_an_item_that_waited_starts_when_it_is_worked_on():
    outcomes = list(map_killable(misbehave, ["slow"] * 4, Limits(workers=1, seconds=1.8, memory_mb=256)))
    assert [outcome.reason for outcome in outcomes] == [""] * 4


def test_items_are_drawn_from_their_stream_as_they_are_needed():
    drawn = []
    stream = map_killable(abs, (drawn.append(n) or n for n in range(1000)), Limits(2, 5, 256), warm_up=0)
    assert [next(stream).value for _ in range(10)] == list(range(10))
    assert len(drawn) < 10 + 3 * WINDOW
    stream.close()


def test_outcomes_keep_the_order_of_items_and_wait_for_a_slow_one_within_the_window():
    items = ["slow", *(str(n) for n in range(300))]
    outcomes = list(map_killable(misbehave, items, Limits(2, 5, 256)))
    assert [outcome.value for outcome in outcomes] == items


def test_no_items_need_no_worker():
    assert list(map_killable(misbehave, [], Limits(2, 5, 256))) == []


def test_a_worker_that_cannot_start_is_an_error_and_no_endless_loop():
    with pytest.raises(RuntimeError, match="could not start"):
        list(map_killable(misbehave, ["a"], Limits(1, 5, 256), warm_up="die"))


def test_a_standing_worker_goes_on_after_items_that_kill_it():
    worker = StandingWorker(misbehave, Limits(workers=1, seconds=20, memory_mb=256), "a")
    outcomes = [worker.process(item) for item in ("b", "die", "raise", "c")]
    worker.stop()
    assert [outcome.value for outcome in outcomes] == ["b", None, None, "c"]
    assert [outcome.reason for outcome in outcomes[1:3]] == [
        "the worker process died (exit code 3)",
        "ValueError: bad drawing",
    ]
