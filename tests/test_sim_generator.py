"""Shapes, conflicts, lights and drivers of the generator, and the quality of what it records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.data.labmini_format import encode_log
from drivelab.geometry.poses import wrap_angle
from drivelab.sim.generator import FAMILIES, generate_log, generate_scene
from drivelab.sim.generator.actors import SIZES, Actor, Follow, Script, StopLine, standing
from drivelab.sim.generator.conflicts import Conflict, Passage, find_conflict, must_wait
from drivelab.sim.generator.map_builder import MapBuilder, strip
from drivelab.sim.generator.quality import complaints, drivable_area
from drivelab.sim.generator.recording import run_setting
from drivelab.sim.generator.roads import road
from drivelab.sim.generator.scenes import generate_run
from drivelab.sim.generator.setting import EGO_DRIVER, Setting, driver_on
from drivelab.sim.generator.shapes import ring_turn, straight, trace, turn
from drivelab.sim.generator.world import TrafficWorld
from drivelab.types import PACIFICA

EGO_SIZE = (PACIFICA.length, PACIFICA.width)


def line(length: float = 300.0, y: float = 0.0) -> np.ndarray:
    return straight(np.array([0.0, y, 0.0]), length, spacing=1.0)


def ego_on(
    path: np.ndarray, *, speed: float = 10.0, allowed: float = 10.0, **more: object
) -> Actor:
    motion = Follow(EGO_DRIVER, np.full(len(path), allowed), more.pop("stop_lines", ()))  # type: ignore[arg-type]
    return Actor("vehicle", EGO_SIZE, path, 20.0, speed, motion, **more)  # type: ignore[arg-type]


def drive(world: TrafficWorld, seconds: float) -> None:
    for _ in range(round(seconds * 10)):
        world.step()


def test_trace_of_constant_curvature_is_a_circle() -> None:
    path = trace(np.zeros(3), [(20.0 * np.pi / 2, 0.05, 0.05)], spacing=1.0)
    np.testing.assert_allclose(path[-1], [20.0, 20.0, np.pi / 2], atol=1e-3)
    np.testing.assert_allclose(np.hypot(path[:, 0], path[:, 1] - 20.0), 20.0, atol=1e-3)


@settings(max_examples=40)
@given(
    angle=st.floats(0.4, 2.2),
    legs=st.tuples(st.floats(8.0, 30.0), st.floats(8.0, 30.0)),
    side=st.sampled_from([-1.0, 1.0]),
    yaw=st.floats(-3.0, 3.0),
)
def test_turn_joins_any_two_poses_whose_tangents_meet(
    angle: float, legs: tuple[float, float], side: float, yaw: float
) -> None:
    first, out = np.array([np.cos(yaw), np.sin(yaw)]), yaw + side * angle
    corner = legs[0] * first
    end = corner + legs[1] * np.array([np.cos(out), np.sin(out)])
    path = turn(np.array([0.0, 0.0, yaw]), np.array([*end, out]))
    np.testing.assert_allclose(path[-1, :2], end, atol=1e-9)
    assert wrap_angle(path[-1, 2] - out) == pytest.approx(0.0, abs=1e-6)
    assert (np.diff(np.unwrap(path[:, 2])) * side >= -1e-9).all()  # never the other way


@pytest.mark.parametrize("exit_arm", [1, 2, 3])
def test_ring_turn_keeps_to_the_ring_and_leaves_at_its_exit(exit_arm: int) -> None:
    out = np.pi + exit_arm * np.pi / 2
    beside = 1.75 * np.array([np.sin(out), -np.cos(out)])
    end = np.array([*(30.0 * np.array([np.cos(out), np.sin(out)]) + beside), out])
    start = np.array([-30.0, -1.75, 0.0])
    path = ring_turn(start, end, centre=np.zeros(2), radius=16.0, flare=12.0)
    np.testing.assert_allclose(path[-1, :2], end[:2], atol=1e-9)
    assert np.hypot(path[:, 0], path[:, 1]).min() == pytest.approx(16.0, abs=0.05)


def test_ring_turn_without_room_says_how_much_is_missing() -> None:
    with pytest.raises(ValueError, match=r"needs .* m more"):
        ring_turn(
            np.array([-18.0, -1.75, 0.0]),
            np.array([1.75, 30.0, np.pi / 2]),
            centre=np.zeros(2),
            radius=16.0,
            flare=12.0,
        )


def test_lanes_tile_their_block_and_blocks_adjoin() -> None:
    builder = MapBuilder(np.array([100.0, -50.0, 0.7]))
    course = trace(np.zeros(3), [(90.0, 0.0, 0.0), (80.0, 0.0, 0.02), (60.0, 0.02, 0.02)])
    road(builder, "r", course, lanes=(3, 2), speed_limit=10.0)
    lane_map = builder.build("road")
    for block in lane_map.blocks.values():
        lanes = [lane_map.lanes[lane].polygon for lane in block.lanes]
        assert shapely.union_all(lanes).symmetric_difference(block.polygon).area < 0.05
    whole = shapely.union_all([block.polygon for block in lane_map.blocks.values()])
    assert whole.geom_type == "Polygon"
    assert whole.area == pytest.approx(5 * 3.5 * 230.0, rel=0.02)


def test_links_between_distant_lanes_are_refused() -> None:
    builder = MapBuilder(np.zeros(3))
    a = builder.block("a", [strip(line(20.0))], speed_limit=10.0)[0]
    b = builder.block("b", [strip(line(20.0))], speed_limit=10.0)[0]
    with pytest.raises(ValueError, match=r"20\.000 m from"):
        builder.link(a, b)


def test_crossing_paths_conflict_around_the_crossing() -> None:
    across = trace(np.array([50.0, -30.0, np.pi / 2]), [(60.0, 0.0, 0.0)], spacing=1.0)
    found = find_conflict(line(), across, widths=(2.0, 2.0), after=(0.0, 0.0))
    assert found is not None
    assert found.mine == (48.0, 52.0)  # within 2 + 0.5 m of the other path, on vertices
    assert found.theirs == (28.0, 32.0)
    assert find_conflict(line(), line(y=5.0), widths=(2.0, 2.0), after=(0.0, 0.0)) is None


@pytest.mark.parametrize(
    ("other_at", "other_speed", "waits"),
    [(10.0, 10.0, True), (10.0, 0.0, False), (40.0, 10.0, False), (-190.0, 10.0, False)],
)
def test_who_comes_at_the_same_time_is_waited_for(
    other_at: float, other_speed: float, waits: bool
) -> None:
    me = Passage(20.0, 10.0, 4.0, 1.0)
    other = Passage(other_at, other_speed, 2.0, 2.0)
    assert must_wait(me, other, Conflict((48.0, 52.0), (28.0, 32.0))) is waits


def test_driver_stops_before_a_red_light_and_goes_on_green() -> None:
    path = line()
    light = StopLine(80.0, ((0.0, 12.0),))
    world = TrafficWorld([ego_on(path, stop_lines=(light,))])
    drive(world, 11.0)
    bumper = world.snapshot().ego.x + PACIFICA.front_length
    assert world.snapshot().ego.speed < 0.2
    assert 74.0 < bumper < 79.5
    drive(world, 6.0)
    assert world.snapshot().ego.x > 85.0


def test_driver_lets_a_pedestrian_pass() -> None:
    walk = trace(np.array([70.0, -6.0, np.pi / 2]), [(20.0, 0.0, 0.0)], spacing=1.0)
    script = Script(np.zeros(1), np.array([1.5]))
    person = Actor("pedestrian", SIZES["pedestrian"], walk, 0.0, 1.5, script, priority=5)
    world = TrafficWorld([ego_on(line()), person])
    nearest = np.inf
    for _ in range(120):
        world.step()
        ego, other = world.snapshot().boxes
        if abs(other[1]) < 1.5:
            nearest = min(nearest, other[0] - ego[0] - PACIFICA.length / 2)
    assert nearest > 1.0
    assert world.snapshot().ego.x > 75.0


def test_driver_keeps_behind_a_standing_car() -> None:
    car = standing("vehicle", SIZES["car"], np.array([90.0, 0.3, 0.0]))
    world = TrafficWorld([ego_on(line()), car])
    drive(world, 15.0)
    gap = 90.0 - 4.7 / 2 - world.snapshot().ego.x - PACIFICA.front_length
    assert 1.0 < gap < 4.0


def test_bicycle_follows_a_bend_closely() -> None:
    path = trace(
        np.zeros(3), [(40.0, 0.0, 0.0), (10.0, 0.0, 0.05), (25.0, 0.05, 0.05)], spacing=1.0
    )
    world = TrafficWorld([ego_on(path, speed=6.0, allowed=6.0)])
    for _ in range(70):
        world.step()
        ego = world.snapshot().ego
        assert np.hypot(path[:, 0] - ego.x, path[:, 1] - ego.y).min() < 0.6


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_gives_a_good_drive(family: str) -> None:
    run = generate_run(family, 7)
    assert complaints(run) == []
    now = run.log.ego.poses[run.log.now]
    area = shapely.union_all(drivable_area(run.log.map))
    assert area.contains(shapely.Point(now[:2]))
    assert len(run.log.tracks) > 0


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first = encode_log(generate_log("curve", 3))
    assert encode_log(generate_log("curve", 3)) == first
    assert encode_log(generate_log("curve", 4)) != first


def test_generated_scene_is_cut_at_its_number() -> None:
    early, late = (generate_scene("straight", 5, number=k) for k in (0, 1))
    assert late.time - early.time == 500_000
    assert late.log == early.log
    np.testing.assert_array_equal(late.ego.poses[:-1], early.ego.poses[1:])


def test_unknown_family_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="roundabout"):
        generate_scene("motorway", 1)


def _street(course: np.ndarray | None = None) -> Setting:
    builder = MapBuilder(np.zeros(3))
    course = line(400.0) if course is None else course
    built = road(builder, "r", course, lanes=(1, 1), speed_limit=10.0)
    lane_map = builder.build("road")
    chain = built.forward.chains[0]
    return Setting(lane_map, driver_on(lane_map, chain, start=60.0, ego=True), chain)


def _complaints(setting: Setting) -> str:
    run = run_setting(setting, name="x", family="test", start_time=0)
    return "; ".join(complaints(run))


def test_quality_names_what_is_wrong() -> None:
    good = _street()
    assert _complaints(good) == ""
    beside = standing("vehicle", SIZES["car"], np.array([130.0, 0.7, 0.0]))
    assert "comes within" in _complaints(replace(good, traffic=(beside,)))
    path = good.ego.path.copy()
    path[:, 1] -= 2.0
    assert "leaves the drivable area" in _complaints(
        replace(good, ego=replace(good.ego, path=path))
    )
    bend = _street(trace(np.zeros(3), [(80.0, 0.0, 0.0), (40.0, 0.0, 0.04), (280.0, 0.04, 0.04)]))
    motion = bend.ego.motion
    assert isinstance(motion, Follow)
    fast = replace(bend.ego, motion=replace(motion, allowed=np.full(len(bend.ego.path), 10.0)))
    assert "corners with" in _complaints(replace(bend, ego=fast))
