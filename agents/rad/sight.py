"""What RAD sees through cameras: pictures with a glance back, the ego's motion, its route.

A picture alone does not say how fast anybody goes. So each has a fourth channel, the brightness
that the same camera saw 0.3 s before (at the start of a clip: now), as the memory of a car would
have it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

PICTURES = "images"  # feature: (b, cameras, height, width, CHANNELS) uint8
CHANNELS = 4  # red, green, blue, brightness AGO steps before
AGO = 3  # steps of 0.1 s
_WEIGHTS = np.array([77, 150, 29], np.uint16)  # ITU-R BT.601, in 256ths


def brightness(colours: UInt8[np.ndarray, "*p 3"]) -> UInt8[np.ndarray, "*p"]:
    """Of red, green and blue."""
    return ((colours * _WEIGHTS).sum(-1, dtype=np.uint16) >> 8).astype(np.uint8)
