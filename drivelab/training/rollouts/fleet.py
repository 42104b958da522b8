"""Who drives a round's clips: a worker of this process, or actors of a cluster (`ray_fleet`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from drivelab.errors import RunError
from drivelab.training.rollouts.clips import Harvest
from drivelab.training.rollouts.shares import Lost, Share, join_harvests, shares_of
from drivelab.training.rollouts.worker import RolloutWorker

MakeWorker = Callable[[], RolloutWorker]


class Fleet(Protocol):
    """Sent out with a policy's weights, and asked later for what it drove."""

    def send(
        self, version: int, weights: Mapping[str, np.ndarray], seeds: Sequence[int], draws: int
    ) -> None:
        """Let the clips of these seeds be driven by these weights; does not wait where it can."""

    def fetch(self) -> Harvest:
        """Wait for what was sent out."""

    def told(self) -> dict[str, float]:
        """Of the latest round: bytes sent, workers replaced and the like."""

    def close(self) -> None:
        """Let go of all workers."""


class LocalFleet:
    """One worker in this process; clips are driven when they are fetched.

    Args:
        make_worker: makes it.
        size: clips of a share.
    """

    def __init__(self, make_worker: MakeWorker, size: int) -> None:
        self._worker, self._size = make_worker(), size
        self._shares: list[Share] = []

    def send(
        self, version: int, weights: Mapping[str, np.ndarray], seeds: Sequence[int], draws: int
    ) -> None:
        """See `Fleet`."""
        self._worker.load(version, weights)
        self._shares = shares_of(seeds, draws, self._size)

    def fetch(self) -> Harvest:
        """See `Fleet`."""
        shares, self._shares = self._shares, []
        return join_harvests([drive_share(self._worker, share) for share in shares])

    def told(self) -> dict[str, float]:
        """See `Fleet`."""
        return {}

    def close(self) -> None:
        """See `Fleet`."""


def drive_share(worker: RolloutWorker, share: Share) -> Harvest | Lost:
    """What a share brings; one of which not a single clip can be driven is lost, and told."""
    try:
        return worker.collect(share.seeds, share.draws)
    except RunError as error:
        return Lost(share, str(error))
