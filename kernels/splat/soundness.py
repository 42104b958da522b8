"""Whether a scene's numbers can be drawn, fast enough to ask before every picture."""

from __future__ import annotations

import numpy as np
from numba import njit

_INFINITE = np.uint32(0x7F800000)  # exponent bits of a float32 that is not finite


@njit(nogil=True, cache=True)
def _finite(bits):  # type: ignore[no-untyped-def]
    """Whether all float32, given as their bits in one row, are finite."""
    wrong = np.uint32(0)
    for n in range(len(bits)):
        wrong |= np.uint32((bits[n] & _INFINITE) == _INFINITE)
    return wrong == 0


@njit(nogil=True, cache=True)
def sound(means, quats, scales, opacities, sh, first, last):  # type: ignore[no-untyped-def]
    """Whether the Gaussians [first, last) are finite, turned, not inside out, 0..1 opaque."""
    fields = True
    for field in (means, quats, scales):
        fields &= _finite(field[first:last].reshape(-1).view(np.uint32))
    fields &= _finite(opacities[first:last].view(np.uint32))
    fields &= _finite(sh[first:last].reshape(-1).view(np.uint32))
    wrong = False
    for n in range(first, last):
        wrong |= (opacities[n] < 0) | (opacities[n] > 1)
        wrong |= (scales[n, 0] < 0) | (scales[n, 1] < 0) | (scales[n, 2] < 0)
        wrong |= (quats[n, 0] == 0) & (quats[n, 1] == 0) & (quats[n, 2] == 0) & (quats[n, 3] == 0)
    return fields and not wrong
