"""Episodes that have been made already."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from drivelab.errors import ConfigError
from drivelab.sim.envs.episodes import EpisodeSource
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.roads import cool_tables

WARM = 256  # as many as one world of a worker holds maps


class KeptEpisodes:
    """Seed -> episode, the latest of which are kept with what was computed for their maps.

    To make a clip of radlab takes 0.1 s, and its road tables 10 ms more, which is as long as
    driving it. Most of the tables' memory is what an ego may see from where; it is found again in
    a sixth of that time.

    Args:
        source: makes them.
        limit: how many are kept, on radlab 0.3 MB each and 0.3 MB of tables.
        warm: how many of these, the latest, keep all their tables, 1.2 MB more each.
    """

    def __init__(self, source: EpisodeSource, *, limit: int = 4000, warm: int = WARM) -> None:
        if not 1 <= warm <= limit:
            raise ConfigError(f"limit={limit}, warm={warm}: expected 1 <= warm <= limit")
        self._source, self._limit, self._warm = source, limit, warm
        self._kept: OrderedDict[int, Episode] = OrderedDict()
        self._hot: OrderedDict[int, Episode] = OrderedDict()

    def __reduce__(self) -> tuple[Callable[..., KeptEpisodes], tuple[EpisodeSource]]:
        """Another process makes episodes of its own."""
        return partial(KeptEpisodes, limit=self._limit, warm=self._warm), (self._source,)

    def __call__(self, seed: int) -> Episode:
        """The episode of a seed."""
        found = self._kept.pop(seed, None)
        if found is None:
            found = self._source(seed)
            if len(self._kept) >= self._limit:
                self._kept.popitem(last=False)
        self._kept[seed] = self._hot[seed] = found
        self._hot.move_to_end(seed)
        if len(self._hot) > self._warm:
            _, cold = self._hot.popitem(last=False)
            cool_tables(cold.map)
        return found
