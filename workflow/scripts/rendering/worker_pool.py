"""Worker processes that can be killed: a record that crashes its worker is lost, the job goes on.

`map_killable(function, items, limits, warm_up)` yields an `Outcome` for each item, in order. Items are drawn from their
iterator as workers become free, so a stream of any length needs little memory. Each worker is a process with a memory
limit of its own, in a sandbox (rendering/sandbox.py). The parent gives it an item, and one more that waits in the pipe,
so that no worker waits for the parent. It kills a worker when the wall clock runs out for its item, and replaces one
that died; what waited there goes to another.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from rendering.sandbox import enter_sandbox
from rendering.worker_messages import KeptMessages, last_words, take_text


@dataclass
class Outcome:
    """The result of an item: the function's value, or the reason why there is none."""

    value: Any = None
    reason: str = ""


class Task(NamedTuple):
    """An item as it goes through a pipe, and its number in the stream."""

    number: int
    data: bytes


@dataclass
class Worker:
    """A process with its end of the pipe, and its tasks: the one it works on, and perhaps one that waits."""

    process: multiprocessing.process.BaseProcess
    connection: Connection
    messages: int  # the file that holds what it writes to its standard error
    ready: bool = False
    tasks: list[Task] = field(default_factory=list)
    deadline: float = 0.0


@dataclass(frozen=True)
class Limits:
    """How many workers there are, and what one of them may use for one item."""

    workers: int
    seconds: float  # wall-clock time
    memory_mb: int  # MiB beyond what a worker holds when it has warmed up
    readable: tuple[str, ...] = ()  # files and folders that it may read besides Python's own


SECONDS_TO_START = 120
# Finished outcomes wait for a slow item before them; so many items of each worker, then the stream waits as well.
# A drawing takes milliseconds and the slowest half a second: with a few, the other workers would idle meanwhile.
WINDOW = 128
# Bytes of a task that may wait in a pipe. It must fit in: a parent that has to wait for a worker cannot watch it.
LARGEST_WAITING = 32_768


def map_killable(
    function: Callable[[Any], Any], items: Iterable[Any], limits: Limits, warm_up: Any = None
) -> Iterator[Outcome]:
    """Yield an outcome for each item in order. An exception in `function` becomes the reason of that item.

    `function` must be importable or a picklable callable (workers are started afresh). Each worker calls it once with
    `warm_up`, an item whose processing loads everything, before its limits count.
    """
    pool = Pool(function, limits, warm_up)
    tasks = (Task(number, pickle.dumps(item)) for number, item in enumerate(items))
    outcomes: dict[int, Outcome] = {}
    expected, given = 0, 0
    try:
        task = next(tasks, None)
        while task or expected < given:
            while task and given - expected < WINDOW * limits.workers and pool.offer(task):
                given += 1
                task = next(tasks, None)
            if expected < given:
                outcomes |= pool.collect()
            while expected in outcomes:
                yield outcomes.pop(expected)
                expected += 1
    finally:
        pool.stop()


class Pool:
    """Starts, feeds, watches, kills and replaces workers."""

    def __init__(self, function: Callable[[Any], Any], limits: Limits, warm_up: Any):
        self.context = multiprocessing.get_context("spawn")
        self.function, self.limits, self.warm_up = function, limits, warm_up
        self.team: list[Worker] = []

    def start(self) -> Worker:
        ours, theirs = self.context.Pipe()
        messages = os.memfd_create("messages")
        path = f"/proc/{os.getpid()}/fd/{messages}"
        arguments = (self.function, self.warm_up, theirs, self.limits, path)
        process = self.context.Process(target=serve, args=arguments, daemon=True)
        process.start()
        theirs.close()
        return Worker(process, ours, messages)

    def offer(self, task: Task) -> bool:
        """Give a task to a worker that has room for it; False where none has."""
        worker = self._worker_with_room(task)
        if worker is None:
            return False
        if not worker.tasks:
            worker.deadline = time.monotonic() + self._seconds_allowed(worker)
        worker.tasks.append(task)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has just died: collect finds out
            worker.connection.send_bytes(task.data)
        return True

    def _worker_with_room(self, task: Task) -> Worker | None:
        """A free worker; another one while the team is not complete; else one with room for a task that waits."""
        free = next((worker for worker in self.team if not worker.tasks), None)
        if free:
            return free
        if len(self.team) < self.limits.workers:
            self.team.append(self.start())
            return self.team[-1]
        if len(task.data) > LARGEST_WAITING:
            return None
        return next((worker for worker in self.team if len(worker.tasks) == 1), None)

    def _seconds_allowed(self, worker: Worker) -> float:
        """The time for an item; a worker that has just started has more for its imports first."""
        return self.limits.seconds if worker.ready else SECONDS_TO_START

    def collect(self) -> dict[int, Outcome]:
        """Outcomes that are there; waits for the next message or deadline. Workers that died leave the team."""
        busy = [worker for worker in self.team if worker.tasks]
        next_deadline = min(worker.deadline for worker in busy)
        heard = set(wait([worker.connection for worker in busy], max(0.0, next_deadline - time.monotonic())))
        outcomes: dict[int, Outcome] = {}
        for worker in busy:
            if worker.connection in heard:
                message = self._receive(worker)
            elif time.monotonic() >= worker.deadline:
                message = Outcome(reason=f"took longer than {self.limits.seconds:g} seconds")
                self._dismiss(worker)
            else:
                continue
            if not worker.ready:
                self._welcome(worker, message)
                continue
            outcomes[worker.tasks.pop(0).number] = message
            if worker in self.team:
                worker.deadline = time.monotonic() + self.limits.seconds
                continue
            for task in worker.tasks:  # it waited in the pipe of a worker that is no more: the team has room again
                has_room = self.offer(task)
                assert has_room, "an item would be lost"
        return outcomes

    def _welcome(self, worker: Worker, message: Outcome) -> None:
        """Start the clock of a worker's first item. Raises RuntimeError for a worker that could not start."""
        if message.reason:
            raise RuntimeError(f"a worker could not start: {message.reason}; see its traceback above")
        worker.ready = True
        worker.deadline = time.monotonic() + self.limits.seconds

    def _receive(self, worker: Worker) -> Outcome:
        try:
            return worker.connection.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join(5)
            code = worker.process.exitcode
            cause = f"exit code {code}"
            if code is not None and code < 0:
                words = last_words(worker.messages)
                cause = signal.Signals(-code).name + (f": {words}" if words else "")
            self._dismiss(worker)
            return Outcome(reason=f"the worker process died ({cause})")

    def _dismiss(self, worker: Worker) -> None:
        self.team.remove(worker)
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        sys.stderr.write(take_text(worker.messages))
        os.close(worker.messages)

    def stop(self) -> None:
        for worker in list(self.team):
            self._dismiss(worker)


class StandingWorker:
    """A worker that waits for items, for a caller that has one now and then. Not for several threads at once."""

    def __init__(self, function: Callable[[Any], Any], limits: Limits, warm_up: Any):
        self._pool = Pool(function, limits, warm_up)

    def process(self, item: Any) -> Outcome:
        """The outcome of one item; a worker that has to be killed for it is replaced with the next item."""
        has_room = self._pool.offer(Task(0, pickle.dumps(item)))
        assert has_room, "two items at once"
        outcomes: dict[int, Outcome] = {}
        while not outcomes:
            outcomes = self._pool.collect()
        return outcomes[0]

    def stop(self) -> None:
        """End the worker."""
        self._pool.stop()


def serve(function: Callable[[Any], Any], warm_up: Any, connection: Connection, limits: Limits, messages: str) -> None:
    """The main loop of a worker: limit its memory and its access, then process items until it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when Ctrl-C ends its workers
    function(warm_up)  # imports and first allocations, before the limit counts
    with open("/proc/self/statm", encoding="ascii") as statm:
        held = int(statm.read().split()[0]) * resource.getpagesize()
    limit = held + limits.memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    kept = KeptMessages(messages)
    enter_sandbox(limits.readable)
    kept.begin()
    connection.send(Outcome())  # ready
    while True:
        try:
            data = connection.recv_bytes()
        except EOFError:
            return  # the parent is gone
        try:
            outcome = Outcome(value=function(pickle.loads(data)))
        except MemoryError:
            outcome = Outcome(reason=f"needed more than {limits.memory_mb} MiB of memory")
        except BaseException as error:  # also a panic in Rust: its own record's reason, told and counted
            outcome = Outcome(reason=f"{type(error).__name__}: {error}"[:300])
        outcome.reason = kept.end_item(outcome.reason)
        connection.send(outcome)
