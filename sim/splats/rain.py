"""Streaks of rain over a picture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

PER_PIXEL = 1.2e-3  # streaks in heavy rain
LENGTH = 0.06  # of the picture's height, at most
SLANT = 0.12  # px aside per px down
BRIGHT = 0.35  # share of white that a streak brings, at most
WHITE = 0.85


def streaks(images: Float[np.ndarray, "c h w 3"], rain: float, frame: int) -> None:
    """Draw falling drops as short bright lines, in place; the same for the same frame.

    Args:
        images: colours 0..1.
        rain: 0 (none) to 1 (heavy).
        frame: seeds where they fall.
    """
    count, height, width = images.shape[:3]
    rng = np.random.default_rng([frame, 41])
    for n in range(count):
        drops = rng.poisson(rain * PER_PIXEL * height * width)
        longest = max(2, round(LENGTH * height))
        lengths = rng.integers(longest // 2, longest + 1, drops)
        begin = rng.uniform([-SLANT * longest, -longest], [width, height], (drops, 2))
        strength = rng.uniform(0.3, 1.0, drops) * BRIGHT
        down = np.arange(longest)
        on = down < lengths[:, None]
        x = (begin[:, :1] + SLANT * down).astype(int)
        y = (begin[:, 1:] + down).astype(int)
        on &= (x >= 0) & (x < width) & (y >= 0) & (y < height)
        share = np.broadcast_to(strength[:, None], on.shape)[on][:, None]
        at = (n, y[on], x[on])
        images[at] += share * (WHITE - images[at])
