"""How fast to learn: a warm-up, then half a cosine down to nothing."""

from __future__ import annotations

import math


def rate_at(update: int, total: int, warmup: float) -> float:
    """Share of the full learning rate at an update (counted from 0) of `total`."""
    rising = max(1, round(warmup * total)) if warmup > 0 else 0
    if update < rising:
        return (update + 1) / rising
    return 0.5 * (1.0 + math.cos(math.pi * (update - rising) / max(total - rising, 1)))
