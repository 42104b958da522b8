"""Dense traffic on every kind of map: no collisions, no influence of the batch, equal to NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from town_traffic import flowing, town

from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.drive import choose_accelerations, move_drivers
from drivelab.kernels.world.lights import update_lights
from drivelab.kernels.world.traffic import draw
from drivelab.sim.world.reference import drive as plain
from drivelab.sim.world.reference.traffic import draw as plain_draw
from drivelab.sim.world.state import copied

MAPS = {
    "grid_town": {"control": "mixed"},
    "town with signs": {"control": "stop"},
    "crossing with lights": {"control": "lights", "lanes": 2},
    "crossing with stop signs": {"control": "stop", "lanes": 2},
    "crossing with priority": {"control": "priority"},
    "t_junction": {},
    "roundabout": {},
    "merge": {},
    "lane_drop": {},
}


@pytest.mark.parametrize("name", sorted(MAPS))
def test_dense_traffic_never_collides(name: str) -> None:
    known, state = town(name, MAPS[name], environments=20, drivers=32)
    travelled = np.zeros(20)
    for k in range(600):
        travelled += flowing(known, state)
        hit = (state.flags & a.COLLISION) != 0
        assert not hit.any(), (k, np.argwhere(hit)[:4].tolist())
        if "town" in name:  # the others end at the edge of the map, where bumpers leave it first
            assert not ((state.flags & a.OFF_ROAD) != 0).any()
    assert travelled.mean() / 32 > 90  # and it flows [m]


def test_results_do_not_depend_on_the_batch() -> None:
    known, batch = town("grid_town", {}, environments=6, drivers=32)
    order = np.array([4, 1, 5, 0, 3, 2])
    shuffled = a.State(*(x[order].copy() for x in batch))
    alone = a.State(*(x[2:3].copy() for x in batch))
    for _ in range(200):
        for state in (batch, shuffled, alone):
            flowing(known, state)
    for name, x, y, z in zip(a.State._fields, batch, shuffled, alone, strict=True):
        assert x[order].tobytes() == y.tobytes(), name
        assert x[2:3].tobytes() == z.tobytes(), name


@pytest.mark.parametrize(
    "name", ["grid_town", "town with signs", "crossing with lights", "merge", "roundabout"]
)
def test_numpy_drives_alike(name: str) -> None:
    known, state = town(name, MAPS[name], environments=2, drivers=24, guests=True)
    for k in range(360):
        if k % 12 == 0:
            other = copied(state)
            plain.choose_accelerations(known.roads, other)
            plain.move_drivers(known.roads, other)
            mine = copied(state)
            choose_accelerations(known.roads, mine)
            move_drivers(known.roads, mine)
            for field in a.State._fields:
                left, right = getattr(mine, field), getattr(other, field)
                np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9, err_msg=field)
        flowing(known, state)


def test_lights_turn_in_dense_traffic() -> None:
    _, state = town("crossing with lights", MAPS["crossing with lights"], 1, drivers=4)
    seen = set()
    for _ in range(600):
        update_lights(state)
        seen |= {tuple(state.light[0].tolist())}
        state.step[:] += 1
    assert not any(light.count(a.GREEN) == len(light) for light in seen)
    assert len(seen) >= 5


@given(st.integers(0, 2**62), st.integers(0, 500), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_draws_are_those_of_long_integers(seed: int, slot: int, count: int) -> None:
    value = draw(seed, slot, count)
    assert 0 <= value < 2**31
    assert value == plain_draw(seed, slot, count)
