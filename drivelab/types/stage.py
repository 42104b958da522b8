"""How the scenes of a two-stage split (NAVSIM v2) belong together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageEntry:
    """A pair of real scenes half a second apart, and the rendered pairs that follow it.

    One row of a split's `reactive_all_mapping`; all members are scene tokens.
    """

    now: str
    previous: str
    follow_ups: tuple[tuple[str, str], ...]  # (follow-up of now, follow-up of previous)
