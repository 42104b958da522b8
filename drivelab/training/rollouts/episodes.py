"""Episodes that have been made already."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from drivelab.errors import ConfigError
from drivelab.sim.envs.episodes import EpisodeSource
from drivelab.sim.world.episode import Episode


class KeptEpisodes:
    """Seed -> episode, the latest of which are kept with what was computed for their maps.

    To make a clip of radlab takes 0.2 s, and its road tables 10 ms more, which is as long as
    driving it. Tables that were thrown away to save memory were wanted again a dozen rounds later.

    Args:
        source: makes them.
        limit: how many are kept, on radlab 0.3 MB each and 1.5 MB of tables.
    """

    def __init__(self, source: EpisodeSource, *, limit: int = 1000) -> None:
        if limit < 1:
            raise ConfigError(f"limit={limit}: expected 1 or more")
        self._source, self._limit = source, limit
        self._kept: OrderedDict[int, Episode] = OrderedDict()

    def __reduce__(self) -> tuple[Callable[..., KeptEpisodes], tuple[EpisodeSource]]:
        """Another process makes episodes of its own."""
        return partial(KeptEpisodes, limit=self._limit), (self._source,)

    def __call__(self, seed: int) -> Episode:
        """The episode of a seed."""
        found = self._kept.pop(seed, None)
        if found is None:
            found = self._source(seed)
            if len(self._kept) >= self._limit:
                self._kept.popitem(last=False)
        self._kept[seed] = found
        return found
