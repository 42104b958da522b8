"""A small pool of spawned processes that survives the death of any of them.

The standard pool breaks as a whole when one process dies; here the task of a dead process is tried
again (see `after_death`) by a fresh one. Each process holds one agent and gets one task at a time.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from drivelab.errors import RunError
from drivelab.evaluation.environment import THREAD_VARIABLES
from drivelab.evaluation.tasks import Outcome, Task, WorkerSpec, after_death
from drivelab.evaluation.workers import make_worker

READY = "ready"


@dataclass(slots=True, eq=False)
class _Seat:
    """One process, its pipe and what it is working on."""

    process: Any
    pipe: Connection
    ready: bool = False
    task: Task | None = None


def run_in_processes(
    spec: WorkerSpec, tasks: Sequence[Task], workers: int
) -> Generator[list[Outcome], None, None]:
    """Yield outcomes as they come; processes end with the generator."""
    waiting = deque(tasks)
    seats = [_start(spec) for _ in range(workers)]
    try:
        while waiting or any(seat.task for seat in seats):
            _hand_out(seats, waiting)
            for seat in _wait(seats):
                outcomes = _receive(seat)
                if outcomes is None:  # it died
                    seats.remove(seat)
                    outcomes = _bury(seat, waiting)
                    seats.append(_start(spec))
                if outcomes:
                    yield outcomes
    finally:
        for seat in seats:
            _stop(seat)


def _start(spec: WorkerSpec) -> _Seat:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with _one_thread_each():
        process = context.Process(target=_serve, args=(theirs, spec), daemon=True)
        process.start()
    theirs.close()
    return _Seat(process, ours)


def _serve(pipe: Connection, spec: WorkerSpec) -> None:
    """Body of a worker process: tasks in, outcomes out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    try:
        worker = make_worker(spec)
    except BaseException as error:
        pipe.send(f"{error}\n{traceback.format_exc()}")
        return
    pipe.send(READY)
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):  # the parent is gone or done
            return
        pipe.send(worker.run(task))
        sys.stdout.flush()


def _hand_out(seats: Sequence[_Seat], waiting: deque[Task]) -> None:
    for seat in seats:
        if seat.task is None and seat.ready and waiting:
            seat.task = waiting.popleft()
            with contextlib.suppress(OSError):  # dead already: found out by the next wait
                seat.pipe.send(seat.task)


def _wait(seats: Sequence[_Seat]) -> list[_Seat]:
    signs: list[Any] = [seat.pipe for seat in seats]
    signs += [seat.process.sentinel for seat in seats]
    ready = wait(signs)
    return [seat for seat in seats if seat.pipe in ready or seat.process.sentinel in ready]


def _receive(seat: _Seat) -> list[Outcome] | None:
    """Outcomes of the seat's task; nothing yet ([]) after start-up; None when the process died."""
    try:
        if not seat.pipe.poll():
            return None
        message = seat.pipe.recv()
    except (EOFError, OSError):
        return None
    if isinstance(message, str):
        if message != READY:
            raise RunError(f"a worker process could not start: {message}")
        seat.ready = True
        return []
    seat.task = None
    outcomes: list[Outcome] = message
    return outcomes


def _bury(seat: _Seat, waiting: deque[Task]) -> list[Outcome]:
    seat.process.join()
    seat.pipe.close()
    code = seat.process.exitcode
    reason = f"killed by {signal.Signals(-code).name}" if code < 0 else f"it exited with {code}"
    if not seat.ready:
        raise RunError(f"a worker process could not start: {reason}")
    if seat.task is None:
        return []
    again, lost = after_death(seat.task, reason)
    waiting.extendleft(reversed(again))
    return lost


def _stop(seat: _Seat) -> None:
    seat.pipe.close()
    seat.process.terminate()
    seat.process.join(5)
    if seat.process.is_alive():
        seat.process.kill()
        seat.process.join()
    seat.process.close()


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Children read these variables when they load their libraries; ours are put back."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
