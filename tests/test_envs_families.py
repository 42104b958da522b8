"""Training families: sound starts, variety, determinism, and where episodes come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drivelab.errors import ConfigError, DrivelabError
from drivelab.kernels.world.arrays import COLLISION, KERB, OFF_LANES, OFF_ROAD, WRONG_WAY
from drivelab.sim.envs.episodes import episode_source, make_episode
from drivelab.sim.envs.families import FAMILIES, ROADS, FamilyEpisodes, family_episode
from drivelab.sim.world.native import NativeWorld


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_starts_are_sound(family: str) -> None:
    episodes = [family_episode(family, seed, roads=(0, 2 * ROADS)) for seed in range(60)]
    world = NativeWorld(episodes)
    state = world.state
    bad = COLLISION | OFF_ROAD | KERB | WRONG_WAY | OFF_LANES
    assert not (state.flags[:, 0] & bad).any()
    there = np.arange(state.x.shape[1]) < state.count[:, None]
    assert not (state.flags[there] & COLLISION).any()
    np.testing.assert_allclose(state.way_off[:, 0], 0.0, atol=0.05)
    for episode in episodes:
        length = np.hypot(*np.diff(episode.route_line[:, :2], axis=0).T).sum()
        assert 90.0 < length < 300.0
        assert set(episode.route) <= set(episode.map.lanes)
        assert 0.0 < episode.ego_speed < 20.0


def test_equal_seeds_give_equal_episodes_and_others_differ() -> None:
    source = FamilyEpisodes(tuple(FAMILIES))
    first, again, other = source(5), source(5), source(6)
    np.testing.assert_array_equal(first.ego_pose, again.ego_pose)
    assert [a.id for a in first.actors] == [a.id for a in again.actors]
    assert first.map is again.map  # so that a reset builds no tables
    assert first.id != other.id
    assert {source(seed).family for seed in range(40)} == set(FAMILIES)


def test_held_out_roads_are_other_roads() -> None:
    def roads(first: int) -> dict[int, bytes]:
        """Numbers and shapes of the roads of 40 seeds."""
        episodes = [family_episode("curve", s, roads=(first, first + ROADS)) for s in range(40)]
        return {int(e.id.split("-")[1]): np.asarray(e.route_line).tobytes() for e in episodes}

    train, held_out = roads(0), roads(ROADS)
    assert max(train) < ROADS <= min(held_out)
    assert not {*train.values()} & {*held_out.values()}


def test_episode_sources() -> None:
    assert episode_source("merge")(3).family == "merge"
    assert episode_source(["curve"])(3).family == "curve"
    own = lambda seed: family_episode("follow", seed)  # noqa: E731
    assert episode_source(own) is own
    with pytest.raises(ConfigError, match="no training family 'curv'; did you mean 'curve'"):
        episode_source(["curv"])
    with pytest.raises(DrivelabError, match="no_such_scenario"):
        episode_source("no_such_scenario")
    with pytest.raises(ConfigError, match="gave a int for seed 3"):
        make_episode(lambda seed: seed, 3)  # type: ignore[arg-type,return-value]


def test_a_scenario_file_is_a_source(tmp_path: Path) -> None:
    file = tmp_path / "slow_car.yaml"
    file.write_text(
        "id: slow_car\nmap: straight_3lane\nduration: 12.0\n"
        "ego: {lane: 1, s: 20.0, speed: 10.0}\n"
        "actors:\n  - {id: slow, kind: vehicle, lane: 1, s: 60.0, speed: 4.0}\n"
        "vary:\n  actors.slow.speed: {uniform: [3.0, 6.0]}\n"
    )
    source = episode_source(str(file))
    assert source(1).actors[0].speed != source(2).actors[0].speed
    assert source(1).actors[0].speed == source(1).actors[0].speed
