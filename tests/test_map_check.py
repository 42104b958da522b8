"""Maps that do not fit together are named before anything asks them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from golden_worlds import archive, golden_scene, lane_map

from drivelab.errors import DataError
from drivelab.maps.map_check import check_map
from drivelab.metrics.navsim.route_context import route_context
from drivelab.types import Lane, LaneMap


def broken(**changes: object) -> tuple[LaneMap, Lane]:
    name, world = next(iter(archive().worlds.items()))
    good = lane_map(name, world)
    lane = next(iter(good.lanes.values()))
    lanes = {**good.lanes, lane.id: replace(lane, **changes)}  # type: ignore[arg-type]
    return LaneMap(name, lanes, good.blocks, good.areas), lane


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"speed_limit": 0.0}, "speed limit"),
        ({"speed_limit": float("nan")}, "speed limit"),
        ({"centreline": np.zeros((0, 3))}, "centreline"),
        ({"centreline": np.full((4, 3), np.nan)}, "centreline"),
    ],
)
def test_a_bad_lane_is_named(changes: dict[str, object], words: str) -> None:
    world, lane = broken(**changes)
    with pytest.raises(DataError, match=words) as error:
        check_map(world)
    assert lane.id in str(error.value)


def test_a_block_without_its_lane_is_named() -> None:
    scene = golden_scene(0)
    gone = next(iter(scene.map.lanes))
    lanes = {name: lane for name, lane in scene.map.lanes.items() if name != gone}
    world = LaneMap("torn", lanes, scene.map.blocks, scene.map.areas)
    with pytest.raises(DataError, match=gone):
        route_context(replace(scene, map=world))


def test_every_golden_world_is_sound() -> None:
    for name, world in archive().worlds.items():
        check_map(lane_map(name, world))
