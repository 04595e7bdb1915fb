"""Worker processes that can be killed: one poisonous record costs itself, never the job.

`map_killable(function, items, workers, seconds_limit, memory_limit_mb)` yields an `Outcome` for each item, in order.
Each worker is a process with a memory limit of its own; the parent gives it one item at a time, kills it when the wall
clock runs out, and replaces one that died. Workers get no secrets and no files: what they may do is the function's.
"""

from __future__ import annotations

import multiprocessing
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any


@dataclass
class Outcome:
    """What became of an item: the function's value, or the reason why there is none."""

    value: Any = None
    reason: str = ""


@dataclass
class Worker:
    """A process with its end of the pipe, and the item it works on."""

    process: multiprocessing.process.BaseProcess
    connection: Connection
    item: int | None = None
    deadline: float = 0.0


def map_killable(
    function: Callable[[Any], Any], items: Sequence[Any], workers: int, seconds_limit: float, memory_limit_mb: int
) -> Iterator[Outcome]:
    """Yield an outcome for each item in order. An exception in `function` becomes the reason of that item.

    `function` must be importable (workers are started afresh). Memory is limited beyond what a worker holds at start.
    """
    pool = Pool(function, seconds_limit, memory_limit_mb)
    outcomes: dict[int, Outcome] = {}
    waiting, given = 0, 0
    try:
        team = [pool.start() for _ in range(min(workers, len(items)))]
        while waiting < len(items):
            for worker in team:
                if worker.item is None and given < len(items):
                    pool.give(worker, given, items[given])
                    given += 1
            outcomes |= pool.collect(team)
            while waiting in outcomes:
                yield outcomes.pop(waiting)
                waiting += 1
    finally:
        pool.stop()


class Pool:
    """Starts, feeds, watches, kills and replaces workers."""

    def __init__(self, function: Callable[[Any], Any], seconds_limit: float, memory_limit_mb: int):
        self.context = multiprocessing.get_context("spawn")
        self.function, self.seconds_limit, self.memory_limit_mb = function, seconds_limit, memory_limit_mb
        self.processes: list[multiprocessing.process.BaseProcess] = []

    def start(self) -> Worker:
        ours, theirs = self.context.Pipe()
        arguments = (self.function, theirs, self.memory_limit_mb)
        process = self.context.Process(target=serve, args=arguments, daemon=True)
        process.start()
        theirs.close()
        self.processes.append(process)
        if not ours.poll(120):
            raise RuntimeError("a worker process did not start within 120 seconds")
        ours.recv()  # ready: its imports do not count against the first item
        return Worker(process, ours)

    def give(self, worker: Worker, number: int, item: Any) -> None:
        worker.item, worker.deadline = number, time.monotonic() + self.seconds_limit
        worker.connection.send(item)

    def collect(self, team: list[Worker]) -> dict[int, Outcome]:
        """Outcomes that are there; waits for the next one or the next deadline. Dead workers are replaced."""
        busy = [worker for worker in team if worker.item is not None]
        next_deadline = min(worker.deadline for worker in busy)
        ready = set(wait([worker.connection for worker in busy], max(0.0, next_deadline - time.monotonic())))
        outcomes: dict[int, Outcome] = {}
        for position, worker in enumerate(team):
            if worker.item is None:
                continue
            if worker.connection in ready:
                outcome = self._receive(worker)
            elif time.monotonic() >= worker.deadline:
                outcome = Outcome(reason=f"took longer than {self.seconds_limit:g} seconds")
                worker.process.kill()
            else:
                continue
            outcomes[worker.item] = outcome
            worker.item = None
            if outcome.reason and not self._is_usable(worker):
                team[position] = self.start()
        return outcomes

    def _receive(self, worker: Worker) -> Outcome:
        try:
            return worker.connection.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join(5)
            code = worker.process.exitcode
            cause = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
            return Outcome(reason=f"the worker process died ({cause})")

    @staticmethod
    def _is_usable(worker: Worker) -> bool:
        worker.process.join(0.01)
        return worker.process.is_alive()

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


def serve(function: Callable[[Any], Any], connection: Connection, memory_limit_mb: int) -> None:
    """The life of a worker: limit its memory, then answer items until it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when Ctrl-C ends its workers
    function(None)  # warm up: imports and first allocations, before the limit counts
    with open("/proc/self/statm", encoding="ascii") as statm:
        held = int(statm.read().split()[0]) * resource.getpagesize()
    limit = held + memory_limit_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    connection.send("ready")
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return  # the parent is gone
        try:
            outcome = Outcome(value=function(item))
        except MemoryError:
            outcome = Outcome(reason=f"needed more than {memory_limit_mb} MiB of memory")
        except Exception as error:  # whatever a drawing provokes is its own record's reason, told and counted
            outcome = Outcome(reason=f"{type(error).__name__}: {error}"[:300])
        connection.send(outcome)
