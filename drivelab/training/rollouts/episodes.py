"""Episodes that have been made already."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from drivelab.errors import ConfigError
from drivelab.sim.envs.episodes import EpisodeSource
from drivelab.sim.world.episode import Episode

WARM = 256  # latest episodes whose maps keep their road tables


class KeptEpisodes:
    """Seed -> episode, the latest of which are kept: to make a clip of radlab takes 0.4 s.

    Args:
        source: makes them.
        limit: how many are kept, 0.3 MB each on radlab.
        warm: how many of these keep what was computed for their maps, 1.6 MB each; to compute it
            again takes a tenth of making the clip.
    """

    def __init__(self, source: EpisodeSource, *, limit: int = 1000, warm: int = WARM) -> None:
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
            cold.map.cache.clear()
        return found
