"""Compiled jobs in the threads that torch itself uses on the CPU.

Torch's threads wait for work by asking for it again and again, for milliseconds. Threads of our own
or of Numba beside them would get half a processor each; so jobs are handed to torch's, through the
function of its OpenMP library that torch calls too.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

_LIBRARY = "libtorch_cpu.so"


def teamed() -> bool:
    """Whether jobs can have all threads that torch may use now."""
    return torch.get_num_threads() == 1 or _parallel() is not None


def run(job: Any, record: np.ndarray) -> None:
    """A job of `drivelab.kernels.convolution` on its record, in as many threads as torch has."""
    threads, parallel = torch.get_num_threads(), _parallel()
    if threads == 1 or parallel is None:
        job.ctypes(record.ctypes.data)
    else:
        parallel(job.address, record.ctypes.data, threads, 0)


def room(name: str, size: int) -> int:
    """Address of so many bytes, which the calling thread keeps under this name for its next use."""
    rooms = _kept.__dict__
    if name not in rooms or rooms[name].nbytes < size:
        rooms[name] = np.empty(size, np.uint8)
    return int(rooms[name].ctypes.data)


_kept = threading.local()


@cache
def _parallel() -> Callable[..., None] | None:
    """`GOMP_parallel(function, data, threads, flags)`, where torch's library has one."""
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / _LIBRARY))
        found = library.GOMP_parallel
    except (OSError, AttributeError):
        return None
    found.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    found.restype = None
    return found
