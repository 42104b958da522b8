"""Random numbers that belong to a place in a run, not to the order in which it is looked at."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def draws_for(*place: str | int) -> np.random.Generator:
    """A generator that is the same whenever the same scene, sensor and frame are named.

    Args:
        place: words and whole numbers, also negative ones, such as ("scene-7", "CAM_F0", 12).
    """
    return np.random.default_rng([_number(part) for part in place])


def _number(part: str | int) -> int:
    if isinstance(part, str):
        return crc32(part.encode()) + 2**32  # apart from small frame numbers
    return int(part) % 2**64
