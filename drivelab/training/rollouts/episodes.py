"""Episodes that have been made already."""

from __future__ import annotations

from collections import OrderedDict

from drivelab.errors import ConfigError
from drivelab.sim.envs.episodes import EpisodeSource
from drivelab.sim.world.episode import Episode


class KeptEpisodes:
    """Seed -> episode, the latest of which are kept: to make a clip of radlab takes 0.3 s.

    Args:
        source: makes them.
        limit: how many are kept; one of radlab takes about 0.2 MB, and its road tables as much
            again once it has been driven.
    """

    def __init__(self, source: EpisodeSource, limit: int = 1000) -> None:
        if limit < 1:
            raise ConfigError(f"limit={limit}: expected 1 or more")
        self._source, self._limit = source, limit
        self._kept: OrderedDict[int, Episode] = OrderedDict()

    def __call__(self, seed: int) -> Episode:
        """The episode of a seed."""
        found = self._kept.pop(seed, None)
        if found is None:
            found = self._source(seed)
            if len(self._kept) >= self._limit:
                self._kept.popitem(last=False)
        self._kept[seed] = found
        return found
