"""Starts that make no sense are refused by name; compiled ones are kept, not for ever."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_roads import parallel

from drivelab.errors import ConfigError
from drivelab.sim.world import native
from drivelab.sim.world.episode import ActorSpec, Behaviour, Drive, Episode, Motion, Walk
from drivelab.sim.world.native import NativeWorld
from drivelab.sim.world.start_lane import BESIDE

ROAD = parallel(100.0, lanes=4)  # lanes b0/0 to b0/3 at y = 0, -3.5, -7 and -10.5


def episode(motion: Motion, y: float = 0.0, behaviours: tuple[Behaviour, ...] = ()) -> Episode:
    pose = np.array([50.0, y, 0.0])
    actor = ActorSpec("other", "vehicle", (4.5, 1.9), pose, 5.0, motion, behaviours)
    return Episode(
        id="small",
        map=ROAD,
        ego_pose=np.array([10.0, -10.5, 0.0]),
        ego_speed=5.0,
        route=("b0/3",),
        route_line=np.array([[0.0, -10.5, 0.0], [100.0, -10.5, 0.0]]),
        duration=5.0,
        actors=(actor,),
    )


@pytest.mark.parametrize("y", [0.0, -1.0, -3.5, -BESIDE, BESIDE])
def test_drivers_start_on_their_lane_or_beside_it(y: float) -> None:
    world = NativeWorld([episode(Drive(("b0/0",)), y)])
    assert world.state.lane_d[0, 1] == pytest.approx(y)
    assert world.state.lane_s[0, 1] == pytest.approx(50.0)
    for _ in range(30):
        world.step(np.zeros((1, 1, 2)))
    assert world.state.y[0, 1] + world.bank.origins[0, 1] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(
    ("motion", "y", "told"),
    [
        (
            Drive(("b0/0",)),
            -7.2,
            r"actor 'other' starts at \(50\.0, -7\.2\), 7\.2 m from lane 'b0/0'.*"
            r"there lies lane 'b0/2' \(0\.2 m from its middle\)",
        ),
        (Drive(("b0/0",)), -BESIDE - 0.01, r".*up to 5\.25 m away"),
        (Drive(("b0/9",)), -3.5, r".*lane 'b0/9', which the map does not have.*'b0/1'"),
        (Drive(()), 0.0, "actor 'other' drives along no lane"),
    ],
)
def test_drivers_off_their_lane_are_told_which_one_lies_there(
    motion: Drive, y: float, told: str
) -> None:
    with pytest.raises(ConfigError, match=f"episode small: {told}"):
        NativeWorld([episode(motion, y)])


def test_ways_without_two_places_are_refused_by_name() -> None:
    there = np.tile([50.0, 0.0, 0.0], (3, 1))
    with pytest.raises(ConfigError, match="the path of actor 'other': 3 vertices, none apart"):
        NativeWorld([episode(Walk(there, 1.0))])
    broken = np.array([[50.0, 0.0, 0.0], [51.0, np.nan, 0.0], [52.0, 0.0, 0.0]])
    with pytest.raises(ConfigError, match="the path of actor 'other': vertex 1 of 3 is not finite"):
        NativeWorld([episode(Walk(broken, 1.0))])
    nowhere = replace(episode(Drive(("b0/0",))), route_line=np.zeros((2, 3)))
    with pytest.raises(ConfigError, match="episode small: the ego's route_line: 2 vertices"):
        NativeWorld([nowhere])


def test_the_last_starts_are_kept_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "KEPT", 3)
    first, *others = (episode(Drive(("b0/0",)), 0.1 * k) for k in range(5))
    world = NativeWorld([first])
    kept = world.start(first)
    world.start(others[0])
    world.start(others[1])
    assert world.start(first) is kept  # and is the youngest again
    world.start(others[2])
    world.start(others[3])
    assert world.start(first) is kept
    assert len(world._cache) == 3
    world.start(others[0])
    world.start(others[1])
    world.start(others[2])
    assert world.start(first) is not kept
