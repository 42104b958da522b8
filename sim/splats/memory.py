"""How much memory a world of Gaussians takes, asked before any of it is taken."""

from __future__ import annotations

from pathlib import Path

from drivelab.errors import DataError
from drivelab.kernels.memory import amount, available_memory

__all__ = ["CHECKED", "RENDERED", "amount", "require_memory"]
CHECKED = 1.3  # what reading takes for each byte of a scene: its checks make masks
RENDERED = 200  # bytes per Gaussian that a picture takes above the scene, at most


def require_memory(needed: float, *, file: str | Path, what: str) -> None:
    """Refuse before anything is read what would not fit.

    Args:
        needed: bytes.
        file: named in the message.
        what: takes so much, e.g. "its Gaussians".

    Raises:
        DataError: more is needed than is available; both numbers are in the message.
    """
    free = available_memory()
    if needed > free:
        raise DataError(
            f"{what} would take {amount(needed)}, {amount(free)} are available; close other "
            "programs, or crop or thin the scene on a larger machine",
            file=file,
        )
