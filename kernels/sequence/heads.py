"""Work on the heads of a batch in as many threads as torch may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import torch

LEAST_WORK = 1 << 18  # state updates below which handing work to a thread costs more than it saves


def over_heads(run: Callable[[int, int], None], heads: int, work: int) -> None:
    """Call `run(first, last)` on ranges that cover the heads.

    Our own threads, not Numba's: its pools spin beside torch's, and abort where two threads of a
    process (autograd's and the main one) enter them together. A process that was given one thread
    stays within it.

    Args:
        run: compiled code that releases the interpreter.
        heads: of all sequences together.
        work: state updates of all heads.
    """
    threads = min(torch.get_num_threads(), heads, max(1, work // LEAST_WORK))
    if threads <= 1:
        run(0, heads)
        return
    bounds = [heads * n // threads for n in range(threads + 1)]
    pool = _pool(os.getpid(), torch.get_num_threads())
    waiting = [pool.submit(run, a, b) for a, b in pairwise(bounds[1:])]
    run(bounds[0], bounds[1])
    for done in waiting:
        done.result()


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """One pool for a process; a forked child has none of its parent's threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="drivelab-heads")
