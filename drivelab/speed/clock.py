"""Time and memory of a job in this process."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

_STATUS, _REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def cpu_ms(job: Callable[[], object], *, seconds: float = 1.0, least: int = 3) -> float:
    """Best CPU time of a call [ms], of as many as fit into some seconds; others' load adds nothing.

    Args:
        job: called once before the clock runs.
        seconds: of CPU time to spend.
        least: calls in any case.
    """
    job()
    best, spent, calls = float("inf"), 0.0, 0
    while spent < seconds or calls < least:
        start = time.process_time()
        job()
        took = time.process_time() - start
        best, spent, calls = min(best, took), spent + took, calls + 1
    return 1e3 * best


def gpu_ms(job: Callable[[], object], *, calls: int = 50) -> float:
    """Median time of a call on the current CUDA device [ms], by its own events."""
    for _ in range(10):
        job()
    times = []
    for _ in range(calls):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        job()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return median(times)


def cpu_mb(job: Callable[[], object]) -> float | None:
    """Resident high-water mark of a call above what was there before [MB]; None off Linux.

    The largest of five calls, after one that is not weighed: what the rest of the process frees
    meanwhile, or the system takes back of its mapped files, makes single calls look lighter than
    they are, on a busy machine several of them.
    """
    if not (_STATUS.exists() and _REFS.exists()):
        return None
    job()
    peaks = []
    for _ in range(5):
        gc.collect()
        _return_free_memory()
        try:
            _REFS.write_text("5")  # the mark starts again at what is resident now
        except OSError:
            return None
        before = _status_mb("VmRSS")
        job()
        peaks.append(_status_mb("VmHWM") - before)
    return max(0.0, *peaks)


def gpu_mb(job: Callable[[], object]) -> float:
    """Peak of one call's tensors on the current CUDA device above what was there before [MB]."""
    job()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    job()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def _status_mb(key: str) -> float:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"{_STATUS} has no {key}")


def _return_free_memory() -> None:
    """Give freed pages back, so that they count again when they are used."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
