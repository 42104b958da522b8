"""Where environments take their episodes from: training families, scenario texts, own functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drivelab.errors import ConfigError
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
