"""Where environments take their episodes from: training families, scenario texts, own functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.envs.families import FAMILIES, FamilyEpisodes
from drivelab.sim.scenario.files import load_scenario
from drivelab.sim.world.episode import Episode

EpisodeSource = Callable[[int], Episode]
ALL_FAMILIES = tuple(FAMILIES)


def episode_source(episodes: EpisodeSource | str | Sequence[str]) -> EpisodeSource:
    """Make a function seed -> episode.

    Args:
        episodes: such a function; the name of a training family or several names; or a scenario:
            a YAML file or the name of one of the library. A family goes before a scenario of the
            same name.

    Raises:
        ConfigError: no such family; the errors of the scenario's text.
    """
    if callable(episodes):
        return episodes
    if isinstance(episodes, str):
        if episodes in FAMILIES:
            return FamilyEpisodes((episodes,))
        return load_scenario(episodes).episode
    return FamilyEpisodes(tuple(episodes))


def asked_seed(options: Mapping[str, Any] | None, known: tuple[str, ...]) -> int | None:
    """The seed of an episode that `reset(options=...)` asks for, if any.

    Raises:
        ConfigError: an option that `known` does not name, or a seed that is no whole number >= 0.
    """
    for name in options or ():
        if name not in known:
            raise ConfigError(
                f"reset has no option {name!r}{nearest_name(str(name), known)} "
                f"(there are: {', '.join(known)})"
            )
    seed = (options or {}).get("episode_seed")
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError(f"episode_seed={seed!r}: expected a whole number, 0 or more")
    return int(seed)


def make_episode(source: EpisodeSource, seed: int) -> Episode:
    """Call the source and check what comes back.

    Raises:
        ConfigError: the source gave something else than an episode.
    """
    episode = source(seed)
    if not isinstance(episode, Episode):
        raise ConfigError(
            f"the episode source gave a {type(episode).__name__} for seed {seed}: "
            "expected a drivelab.sim.world.episode.Episode"
        )
    return episode
