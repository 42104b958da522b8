"""Clips of a round in shares, so that what is driven does not depend on how many drive.

A share is as many clips as a worker drives side by side, with a seed of its own for the actions
that are drawn. Shares hold clips of neighbouring seeds: the worker that takes the first share of
every round keeps most of the episodes it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drivelab.training.rollouts.clips import DrivenClips, Dropped, Harvest, NothingDriven


@dataclass(frozen=True, slots=True)
class Share:
    """Clips for one worker.

    Attributes:
        number: of the share in its round.
        seeds: of the clips.
        draws: seed of the actions that are drawn.
    """

    number: int
    seeds: tuple[int, ...]
    draws: int


def shares_of(seeds: Sequence[int], draws: int, size: int) -> list[Share]:
    """Shares of at most `size` clips."""
    ordered = sorted(int(seed) for seed in seeds)
    parts = [tuple(ordered[first : first + size]) for first in range(0, len(ordered), size)]
    sequence = np.random.SeedSequence(draws).generate_state(max(len(parts), 1), np.uint64)
    # below 2 ** 63: the generators of the network library take no more
    return [Share(k, part, int(sequence[k] >> np.uint64(1))) for k, part in enumerate(parts)]


@dataclass(frozen=True, slots=True)
class Lost:
    """What comes of a share none of whose clips was driven to its end."""

    share: Share
    reason: str

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """All its clips."""
        return tuple(Dropped(seed, self.reason) for seed in self.share.seeds)


def join_harvests(parts: Sequence[Harvest | Lost]) -> Harvest:
    """What all shares of a round brought, in their order; seconds are summed up.

    Raises:
        NothingDriven: not one clip of them was driven.
    """
    dropped = tuple(clip for part in parts for clip in part.dropped)
    driven = [part for part in parts if isinstance(part, Harvest)]
    if not driven:
        first = dropped[0].reason if dropped else "no seed was given"
        raise NothingDriven(
            f"none of {len(dropped)} clips could be driven; the first: {first}", dropped
        )
    seconds: dict[str, float] = {}
    for part in driven:
        for stage, spent in part.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
    return Harvest(DrivenClips.join([part.clips for part in driven]), dropped, seconds)
