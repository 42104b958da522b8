"""How much memory there is, asked before a lot of it is taken."""

from __future__ import annotations

import os
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that this process may still take: the machine's, or what its container leaves."""
    free = _of_the_machine()
    limit = _number(_CGROUP / "memory.max")
    if limit is not None:
        used = _number(_CGROUP / "memory.current") or 0
        # Files that were only read once are given back when somebody needs their memory.
        free = min(free, limit - used + _line(_CGROUP / "memory.stat", "inactive_file"))
    return max(free, 0)


def amount(count: float) -> str:
    """Bytes as people read them."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


def _of_the_machine() -> int:
    kilobytes = _line(_MEMINFO, "MemAvailable:")
    if kilobytes:
        return 1024 * kilobytes
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _line(file: Path, name: str) -> int:
    """The number behind a name in a file of `name number` lines; 0 without."""
    try:
        lines = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return 0
    return next((int(words[1]) for words in lines if words and words[0] == name), 0)


def _number(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
