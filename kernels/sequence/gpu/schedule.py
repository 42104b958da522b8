"""How a GPU call is cut into programs: block sizes, warps, and segments of long sequences.

What is tried is a short table by the size of the state. On a device the first call of a shape times
its entries on the call's own tensors and keeps the fastest for the process; in Triton's
interpreter, and while a CUDA graph is recorded, the first entry runs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
import triton
from torch import Tensor

from drivelab.kernels.sequence.backends import interpreted

WIDEST = 256  # channels of a key or value
LEAST = 16  # rows and columns of a matrix product
STATE = 16384  # elements of a program's state: 64 registers in each of 256 threads
GRAIN = 64  # segments are multiples of the longest chunk
SHORTEST = 256  # tokens of a segment: below, finding its first state costs more than it saves
RUNS = 5  # of an entry when it is timed


@dataclass(frozen=True, slots=True)
class Blocks:
    """Sizes of one launch."""

    chunk: int  # tokens
    columns: int
    warps: int


@dataclass(frozen=True, slots=True)
class Segments:
    """Parts of a sequence that programs walk side by side."""

    count: int
    length: int  # tokens, the last part may be shorter


def padded(size: int) -> int:
    """Channels as registers hold them: a power of two that a matrix product takes."""
    return max(LEAST, triton.next_power_of_2(size))


def table(
    rows: int, columns: int, directions: int = 1, *, exact: bool = False
) -> tuple[Blocks, ...]:
    """What to try, the likely best first.

    Args:
        rows: of a state.
        columns: of a state.
        directions: states that a program holds.
        exact: whether factors are float32, whose products take three times the registers.
    """
    tall, room = padded(rows), STATE // directions // (2 if exact else 1)
    wide = min(padded(columns), max(LEAST, room // padded(rows)))
    warps = 8 if tall * wide * directions >= STATE // 2 else 4
    chunk = 16 if exact or tall >= WIDEST else 32
    tries = [Blocks(chunk, wide, warps)]
    if wide >= 2 * LEAST:
        tries.append(Blocks(16 if tall >= WIDEST // 2 else chunk, wide // 2, 4))
    if chunk == 32:
        tries.append(Blocks(64 if tall * wide < STATE else 16, wide, warps))
    return tuple(tries)


@cache
def processors(device: torch.device) -> int:
    """Streaming multiprocessors to fill; 1 in the interpreter, which runs programs in turn."""
    if interpreted():
        return 1
    return int(torch.cuda.get_device_properties(device).multi_processor_count)


def segments(programs: int, tokens: int, room: int) -> Segments:
    """Cut sequences where `programs` leave processors idle.

    Args:
        programs: of a launch that cuts nothing.
        tokens: of a sequence.
        room: programs that run at once.
    """
    count = 1
    if programs < room:
        count = max(1, min(-(-2 * room // programs), tokens // SHORTEST))
    length = -(-max(tokens, 1) // (count * GRAIN)) * GRAIN
    return Segments(-(-max(tokens, 1) // length), length)


class Chosen:
    """The fastest entries found in this process, by shape."""

    def __init__(self) -> None:
        self._found: dict[Hashable, Blocks] = {}

    def run(
        self, key: Hashable, tries: Sequence[Blocks], launch: Callable[[Blocks], None], like: Tensor
    ) -> None:
        """Launch with the best entry; `launch` must give the same result when repeated."""
        known = self._found.get(key)
        if known is None:
            if len(tries) == 1 or interpreted() or torch.cuda.is_current_stream_capturing():
                known = tries[0]
            else:
                known = self._found[key] = fastest(tries, launch, like)
        launch(known)


def fastest(tries: Sequence[Blocks], launch: Callable[[Blocks], None], like: Tensor) -> Blocks:
    """The entry of least time on a tensor's device; one that does not fit there is left out."""
    times = {}
    for entry in tries:
        try:
            launch(entry)
        except triton.runtime.errors.OutOfResources:
            continue
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(like.device)
        begin.record()
        for _ in range(RUNS):
            launch(entry)
        end.record()
        end.synchronize()
        times[entry] = begin.elapsed_time(end)
    if not times:
        raise ValueError(
            f"no entry of {list(tries)} fits on {torch.cuda.get_device_name(like.device)}; "
            "use backend='torch'"
        )
    return min(times, key=lambda entry: times[entry])
