"""Memory that is kept for the next step: large tensors come back at once, without page faults.

The C library gives large blocks back to the system when they are freed and asks for zeroed pages
again a moment later, at every training step.
"""

from __future__ import annotations

import ctypes
import ctypes.util

# Of glibc's <malloc.h>
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER = 2**31 - 1  # bytes at the end of the heap that are worth giving back


def keep_memory() -> bool:
    """Let this process keep what it frees; True where the C library can be told so (glibc)."""
    name = ctypes.util.find_library("c")
    try:
        mallopt = ctypes.CDLL(name).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _NEVER))
