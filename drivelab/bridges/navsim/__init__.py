"""NAVSIM as it is installed: `NavsimAgent` runs its agents here, `DrivelabAgent` ours there.

Importing this package imports no navsim; asking for `DrivelabAgent` or building a `NavsimAgent`
does, and says what is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivelab.bridges.navsim.agent import NavsimAgent

if TYPE_CHECKING:
    from drivelab.bridges.navsim.offered import DrivelabAgent

__all__ = ["DrivelabAgent", "NavsimAgent"]


def __getattr__(name: str) -> Any:
    """Import what derives from a class of navsim only when it is asked for."""
    if name == "DrivelabAgent":
        from drivelab.bridges.navsim.offered import DrivelabAgent

        return DrivelabAgent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
