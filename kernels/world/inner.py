"""How functions are compiled that only compiled functions call."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Without a way in from Python, which is half of the compiler's work
_WITHOUT_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inner = njit(cache=True, **_WITHOUT_WRAPPERS)
# ... and put into the place of the call: handing over arrays costs more than these do
spliced = njit(cache=True, forceinline=True, **_WITHOUT_WRAPPERS)


@njit(cache=True, inline="always")
def wide(number: int) -> int:
    """An element of an int32 array or a constant as a number like any other.

    Inner functions are compiled anew for every mix of widths that they are called with.
    """
    return int(np.int64(number))
