"""A fan of plans by hand."""

from __future__ import annotations

import numpy as np


def fan(count: int = 20, length: float = 24.0) -> tuple[np.ndarray, np.ndarray]:
    """Straight modes (count, 8, 3) from right to left over 90 deg; the middle scores best."""
    angles = np.linspace(-np.pi / 4, np.pi / 4, count)
    along = length / 8 * np.arange(1, 9)
    modes = np.stack([
        np.column_stack([along * np.cos(a), along * np.sin(a), np.full(8, a)]) for a in angles
    ])  # fmt: skip
    return modes, 0.9 * np.exp(-np.abs(np.arange(count) - count // 2) / 2)
