"""From a text and a seed to an episode: places, routes, triggers, lights, crowds."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.geometry.boxes import box_polygons, ego_boxes
from drivelab.sim.scenario.build import build_episode
from drivelab.sim.scenario.files import parse_scenario
from drivelab.sim.scenario.problems import ScenarioError
from drivelab.sim.scenario.schema import Scenario
from drivelab.sim.world.episode import BEHAVIOURS, Drive, Episode, Parked, Policy, Walk
from drivelab.types import PACIFICA

WIDTH = 3.5  # of the templates' lanes [m]


def episode(body: str, seed: int = 0) -> Episode:
    """An episode with the ego on lane 1 of a straight road at 20 m, and what `body` adds."""
    head = "id: t\nduration: 12\n"
    if "map:" not in body:
        head += "map: straight_3lane\n"
    if "ego:" not in body:
        head += "ego: {lane: 1, s: 20, speed: 12}\n"
    return parse_scenario(head + body, "t.yaml").episode(seed)


def actor(text: str, body: str = "") -> Episode:
    return episode(f"actors: [{{id: a, {text}}}]\n{body}")


# Places. The road runs along +x; lane 0 is the rightmost, so lane k lies at y = -(2.5 - k) * 3.5.


def test_lanes_count_from_the_right_and_s_runs_along_them() -> None:
    made = actor("model: van, lane: 2, s: 35, speed: 9")
    np.testing.assert_allclose(made.ego_pose, [20.0, -1.5 * WIDTH, 0.0], atol=1e-6)
    np.testing.assert_allclose(made.actors[0].pose, [35.0, -0.5 * WIDTH, 0.0], atol=1e-6)
    assert (made.actors[0].kind, made.actors[0].size) == ("vehicle", (5.4, 2.0))
    assert (made.actors[0].role, made.actors[0].speed) == ("van", 9.0)


def test_offset_is_to_the_left_and_heading_turns_left() -> None:
    made = actor("model: pedestrian, lane: 0, s: 50, offset: -4, heading_deg: 90")
    np.testing.assert_allclose(made.actors[0].pose, [50.0, -2.5 * WIDTH - 4.0, np.pi / 2])


def test_opposite_lanes_run_back() -> None:
    made = actor("model: car, lane: opposite_0, s: 100, speed: 5")
    np.testing.assert_allclose(made.actors[0].pose[:2], [300.0, 0.5 * WIDTH], atol=1e-6)
    assert abs(made.actors[0].pose[2]) == pytest.approx(np.pi)


def test_places_beside_the_ego_count_from_its_rear_axle() -> None:
    made = actor("model: cone, ahead: 10, left: -2")
    np.testing.assert_allclose(made.actors[0].pose, [30.0, -1.5 * WIDTH - 2.0, 0.0], atol=1e-6)


def test_a_pose_without_yaw_takes_the_heading_of_its_lane() -> None:
    made = actor("model: car, pose: [200, 1.7], motion: parked")
    np.testing.assert_allclose(abs(made.actors[0].pose[2]), np.pi, atol=1e-6)
    made = actor("model: car, pose: [200, 1.7, 30], motion: parked")
    np.testing.assert_allclose(made.actors[0].pose[2], np.pi / 6)


def test_a_nudge_moves_an_actor_and_its_path() -> None:
    plain = "model: car, pose: [100, -20, 90], motion: {type: walk, path: [[100, 0]], speed: 2}"
    made = actor(f"{plain}, nudge: {{ahead: 3, left: 2, heading_deg: 10}}").actors[0]
    np.testing.assert_allclose(made.pose, [98.0, -17.0, np.radians(100.0)])
    np.testing.assert_allclose(made.motion.path[-1, :2], [98.0, 3.0])
    made = actor(f"{plain}, nudge: {{ahead: 3, along_deg: 180}}").actors[0]
    np.testing.assert_allclose(made.pose[:2], [97.0, -20.0])


# Motions.


def test_a_driver_wishes_for_its_start_speed_and_follows_its_lane() -> None:
    made = actor("model: car, lane: 2, s: 35, speed: 10")
    motion = made.actors[0].motion
    assert isinstance(motion, Drive)
    limit = made.map.lanes["roadf0/0"].speed_limit
    assert motion.pace == pytest.approx(10 / limit)
    assert motion.route == ("roadf0/0", "roadf1/0", "roadf2/0", "roadf3/0", "roadf4/0")
    paced = actor("model: car, lane: 2, s: 35, speed: 10, motion: {type: drive, pace: 0.9}")
    assert paced.actors[0].motion.pace == 0.9


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("model: car, lane: 2, s: 50", Drive),
        ("model: bicycle, lane: 0, s: 50, offset: -1", Drive),
        ("model: cone, lane: 2, s: 50", Parked),
        ("model: pedestrian, lane: 0, s: 50, offset: -5", Parked),
        ("model: car, pose: [50, -1.7]", Parked),
        ("model: car, lane: 2, s: 50, behavior: {type: pull_away}", Parked),
        ("model: car, lane: 2, s: 50, motion: policy", Policy),
        ("model: child, lane: 0, s: 50, offset: -4, motion: {type: walk, distance: 9, speed: 1}",
         Walk),
    ],
)  # fmt: skip
def test_motions_follow_from_kind_and_place(text: str, kind: type) -> None:
    assert isinstance(actor(text).actors[0].motion, kind)


def test_walkers_take_crossings_by_name_and_back() -> None:
    text = "model: pedestrian, motion: {type: walk, crossing: middle, speed: 1.4, waits: true}"
    there = actor(text).actors[0]
    back = actor(text.replace("middle", "-middle")).actors[0]
    assert there.motion.waits
    np.testing.assert_allclose(there.motion.path[0, :2], back.motion.path[-1, :2])
    np.testing.assert_allclose(there.pose, there.motion.path[0])


# Behaviours and triggers.


def test_values_of_behaviours_are_those_of_the_world() -> None:
    """What the text leaves out is what the world takes by itself."""
    for kind, values in BEHAVIOURS.items():
        extra = {
            "cut_in": ", lanes: -1",
            "set_speed": ", speed: 0",
            "follow_path": ", path: [[60, -1]]",
            "jaywalk": ", distance: 5",
        }.get(kind, "")
        model = "pedestrian" if kind == "jaywalk" else "car"
        text = f"model: {model}, lane: 2, s: 50, behavior: {{type: {kind}{extra}}}"
        made = actor(text).actors[-1]
        assert [act.kind for act in made.behaviours] == [kind]
        assert dict(made.behaviours[0].values) == pytest.approx(dict(values), nan_ok=True)


def test_cut_ins_count_lanes_to_the_left() -> None:
    for lane, target, lanes in ((2, 1, -1.0), (2, 0, -2.0), (0, 1, 1.0)):
        made = actor(
            f"model: car, lane: {lane}, s: 50, behavior: {{type: cut_in, to_lane: {target}}}"
        )
        assert made.actors[0].behaviours[0].values["lanes"] == lanes


def test_triggers_reach_the_world() -> None:
    when = "when: {time: 1.5, gap_below: 9, ttc_below: 2, ego_past: 60, ego_within: {radius: 30}}"
    trigger = actor(
        f"model: car, lane: 2, s: 50, behavior: {{type: hard_brake, {when}}}"
    ).actors[0].behaviours[0].when  # fmt: skip
    assert (trigger.time, trigger.gap_below, trigger.ttc_below) == (1.5, 9.0, 2.0)
    np.testing.assert_allclose(trigger.ego_past, [60.0, -1.5 * WIDTH], atol=1e-6)
    np.testing.assert_allclose(trigger.ego_within, [50.0, -0.5 * WIDTH, 30.0], atol=1e-6)


def test_behaviours_wait_for_others_by_number_or_type() -> None:
    acts = "[{type: hard_brake}, {type: set_speed, speed: 8, when: {after: hard_brake}}]"
    made = actor(f"model: car, lane: 2, s: 50, behavior: {acts}").actors[0]
    assert [act.when.after for act in made.behaviours] == [None, 0]


def test_doors_stand_beside_their_car() -> None:
    door = "behavior: [{type: open_door, side: left, width: 1.0, when: {gap_below: 12}}]"
    made = actor(f"model: car, lane: 0, s: 50, offset: -3, {door}")
    car, opened = made.actors
    assert (opened.id, opened.kind, opened.role) == ("a.door", "generic_object", "door")
    assert not car.behaviours
    assert opened.behaviours[0].when.gap_below == 12.0
    gap = shapely.distance(*box_polygons(np.array([[*a.pose, *a.size] for a in made.actors])))
    assert gap == pytest.approx(0.03)
    assert opened.pose[1] > car.pose[1]


def test_parked_actors_begin_their_paths_where_they_stand() -> None:
    act = "behavior: {type: jaywalk, path: [{lane: 0, s: 60}, {lane: 2, s: 60, offset: 1}]}"
    made = actor(f"model: child, lane: 0, s: 55, offset: -3, {act}").actors[0]
    path = made.behaviours[0].path
    np.testing.assert_allclose(path[0, :2], made.pose[:2], atol=1e-6)
    np.testing.assert_allclose(path[-1, :2], [60.0, -0.5 * WIDTH + 1.0], atol=1e-6)
    assert np.hypot(*np.diff(path[:, :2], axis=0).T).max() <= 1.0 + 1e-9


# Routes.


def test_without_a_route_the_ego_goes_straight_on() -> None:
    made = episode("")
    assert made.route == ("roadf0/1", "roadf1/1", "roadf2/1", "roadf3/1", "roadf4/1")
    np.testing.assert_allclose(made.route_line[[0, -1], 0], [20.0, 400.0])
    np.testing.assert_allclose(made.goal, [400.0, -1.5 * WIDTH])


def test_a_goal_in_another_lane_is_reached_by_one_smooth_change() -> None:
    made = episode("route: {goal: {lane: 2, s: 300}}\n")
    line = made.route_line
    np.testing.assert_allclose(line[-1, :2], [300.0, -0.5 * WIDTH], atol=1e-6)
    np.testing.assert_allclose(line[0, :2], [20.0, -1.5 * WIDTH], atol=1e-6)
    assert made.route[:2] == ("roadf0/1", "roadf0/0")
    bend = np.abs(np.diff(line[:, 2]))
    assert bend.max() < 0.05  # no corner of more than 3 degrees
    assert np.all(np.diff(line[:, 0]) > 0)
    assert np.abs(np.diff(line[:, 1])).sum() == pytest.approx(WIDTH)  # one way, without a detour


@pytest.mark.parametrize(("turn", "end"), [("left", np.pi / 2), ("right", -np.pi / 2)])
def test_turns_take_the_named_way_even_from_the_wrong_lane(turn: str, end: float) -> None:
    for lane in (0, 1):
        made = episode(
            f"map: crossing_lights\nego: {{lane: {lane}, s: 10, speed: 8}}\n"
            f"route: {{turn: {turn}}}\n"
        )
        assert made.route_line[-1, 2] == pytest.approx(end, abs=0.02)
        connectors = [name for name in made.route if made.map.lanes[name].connector]
        assert len(connectors) == 1
        joints = zip(made.route[:-1], made.route[1:], strict=True)
        for before, after in joints:
            known = made.map.lanes[before]
            assert after in (*known.successors, known.left, known.right)


def test_routes_by_lane_names_close_the_gaps() -> None:
    made = episode(
        "map: crossing_lights\nego: {lane: own_in_0, s: 10, speed: 8}\n"
        "route: {lanes: [right_out_0]}\n"
    )
    assert made.route_line[-1, 2] == pytest.approx(-np.pi / 2, abs=0.02)


# Lights and signs.


def light_at(made: Episode, time: float) -> dict[str, str]:
    """Colour of every connector, by the rule of `SignalGroup`."""
    colours = {}
    for group in made.lights:
        since = time - group.green
        since = since % group.cycle if np.isfinite(group.cycle) else since
        colour = "red"
        if 0 <= since < group.yellow - group.green:
            colour = "green"
        elif 0 <= since < group.red - group.green:
            colour = "yellow"
        colours |= dict.fromkeys(group.connectors, colour)
    return colours


def crossing(lights: str) -> tuple[Episode, str, str]:
    """An episode, the ego's connector and one of the crossing road."""
    made = episode(f"map: crossing_lights\nego: {{lane: 0, s: 60, speed: 8}}\nlights: {lights}\n")
    mine = next(name for name in made.route if made.map.lanes[name].connector)
    other = next(
        group.connectors[0] for group in made.lights if mine not in group.connectors
    )  # fmt: skip
    return made, mine, other


def test_phases_follow_each_other_from_the_ego_s_green() -> None:
    made, mine, other = crossing("{green: 10, yellow: 3, all_red: 2, ego_green: 4}")
    # two phases of 15 s: mine 4-14 green, 14-17 yellow; the other 19-29 green, 29-32 yellow
    expected = {
        0.0: ("red", "yellow"), 3.9: ("red", "red"), 4.0: ("green", "red"),
        13.9: ("green", "red"), 14.0: ("yellow", "red"), 17.0: ("red", "red"),
        19.0: ("red", "green"), 29.0: ("red", "yellow"), 34.0: ("green", "red"),
    }  # fmt: skip
    for time, colours in expected.items():
        lights = light_at(made, time)
        assert (lights[mine], lights[other]) == colours, time


def test_fixed_lights_never_change_and_lights_can_be_off() -> None:
    for ego, colours in (("green", ("green", "red")), ("red", ("red", "green"))):
        made, mine, other = crossing(f"{{mode: fixed, ego: {ego}}}")
        for time in (0.0, 100.0):
            assert (light_at(made, time)[mine], light_at(made, time)[other]) == colours
    off = episode("map: crossing_lights\nego: {lane: 0, s: 60}\nlights: {mode: off}\n")
    assert off.lights == ()


def test_signs_come_from_the_map_and_from_the_text() -> None:
    body = "map: crossing_stop\nego: {lane: 0, s: 60}\n"
    own = episode(body).stop_signs
    assert len(own) > 2
    assert episode(body + "signs: {mode: off}\n").stop_signs == ()
    made = episode(body + "signs: {mode: off, stop: [0], give_way: [left_0]}\n")
    assert made.map.lanes[made.stop_signs[0]].successors
    assert made.stop_signs[0] in own
    assert len(made.yield_signs) == 1


# What the text says beside the road.


def test_weather_faults_and_kinds_reach_the_rollout() -> None:
    made = episode(
        "weather: {rain: 0.5}\ntime_of_day: 21.5\nscenario_kinds: [ParkingCutIn]\n"
        "sensors: {faults: [{fault: black, camera: CAM_F0, start: 2, stop: 4},"
        " {fault: sparse, keep: 0.1}]}\n"
    )
    assert made.info["weather"] == {"rain": 0.5}
    assert made.info["time_of_day"] == 21.5
    assert made.info["scenario_kinds"] == ("ParkingCutIn",)
    assert made.info["sensor_faults"] == [
        {"fault": "black", "camera": "CAM_F0", "start": 2.0, "stop": 4.0},
        {"fault": "sparse", "keep": 0.1},
    ]


def test_ends_are_those_of_the_text() -> None:
    made = episode("terminate: {collision: false, route_deviation: null, blocked_for: 9, "
                   "heading_deviation_deg: 40}\n").termination  # fmt: skip
    assert (made.collision, made.route_deviation, made.blocked_for) == (False, None, 9.0)
    assert made.heading_deviation == pytest.approx(np.radians(40.0))


# Crowds.

CROWD = "traffic: {density: 14, pedestrians: 5, cyclists: 2, parked: 4}\n"


def all_boxes(made: Episode) -> np.ndarray:
    rows = [
        ego_boxes(made.ego_pose, PACIFICA),
        *(np.array([*a.pose, *a.size]) for a in made.actors),
    ]
    return box_polygons(np.array(rows))


@pytest.mark.parametrize("map_name", ["straight_3lane", "crossing_lights", "curve"])
def test_crowds_never_overlap_and_come_in_the_numbers_asked_for(map_name: str) -> None:
    asked = CROWD if map_name != "crossing_lights" else CROWD.replace("parked: 4", "parked: 0")
    for seed in range(4):
        made = episode(f"map: {map_name}\nego: {{lane: 0, s: 20, speed: 8}}\n{asked}", seed)
        boxes = all_boxes(made)
        first, second = shapely.STRtree(boxes).query(boxes, "intersects")
        assert np.all(first == second)
        kinds = [actor.kind for actor in made.actors]
        assert kinds.count("pedestrian") == 5
        assert kinds.count("bicycle") >= 2
        assert len({actor.id for actor in made.actors}) == len(made.actors)


def test_density_is_what_it_says() -> None:
    """14 vehicles per km of lane on 4 lanes of 400 m are 22; some give way to the ego."""
    counts = [
        sum(a.id.startswith("traffic_") for a in episode("traffic: {density: 14}\n", seed).actors)
        for seed in range(12)
    ]
    assert 15 < np.mean(counts) < 23
    assert len(set(counts)) > 1


def test_traffic_with_a_seed_of_its_own_is_the_same_for_every_seed() -> None:
    body = "traffic: {density: 14, seed: 3}\n"
    first, second = episode(body, 0), episode(body, 1)
    assert [a.id for a in first.actors] == [a.id for a in second.actors]
    np.testing.assert_array_equal([a.pose for a in first.actors], [a.pose for a in second.actors])


# Everything again.


def same(a: object, b: object) -> bool:
    """Deep equality of episodes, bit by bit."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return a == b or a is b or (a != a and b != b)


EVERYTHING = """\
map: crossing_lights
ego: {lane: 0, s: 60, speed: 8}
route: {turn: left}
actors:
  - {id: cutter, model: car, lane: 1, s: 75, speed: 8,
     behavior: {type: cut_in, to_lane: 0, when: {gap_below: 9}}}
  - {id: runner, model: van, lane: right_0, s: 60, speed: 9,
     behavior: {type: run_red_light, meet: true, when: {ego_past: 90}}}
  - {id: kid, model: child, lane: 0, s: 100, offset: -5, heading_deg: 90,
     behavior: {type: jaywalk, distance: 14, speed: 2, when: {ego_within: {radius: 25}}}}
traffic: {density: 10, pedestrians: 4}
vary:
  ego.s: {uniform: [40, 62]}
  actors.cutter.s: {uniform: [80, 95]}
  actors.kid.behavior.speed: {normal: [1.8, 0.3]}
  traffic.density: {choice: [4, 8, 12]}
"""


def test_equal_seeds_give_equal_episodes_and_others_differ() -> None:
    one, again, other = (episode(EVERYTHING, seed) for seed in (5, 5, 6))
    assert same(one, again)
    assert not same(one, other)
    assert one.seed != other.seed


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    s=st.floats(5, 80),
    lane=st.sampled_from([0, 1]),
    gap=st.floats(14, 60),
    speed=st.floats(0, 14),
    turn=st.sampled_from(["left", "straight", "right"]),
    density=st.floats(0, 20),
)
def test_any_scenario_in_range_gives_an_episode(
    seed: int, s: float, lane: int, gap: float, speed: float, turn: str, density: float
) -> None:
    made = episode(
        f"map: crossing_lights\nego: {{lane: {lane}, s: {s}, speed: {speed}}}\n"
        f"route: {{turn: {turn}}}\n"
        f"actors: [{{id: a, model: car, lane: {1 - lane}, s: {s + gap}, speed: {speed},"
        " behavior: {type: cut_in, lanes: 1, when: {gap_below: 9}}}]\n"
        f"traffic: {{density: {density}}}\n",
        seed,
    )
    boxes = all_boxes(made)
    first, second = shapely.STRtree(boxes).query(boxes, "intersects")
    assert np.all(first == second)
    assert np.isfinite(made.route_line).all()
    np.testing.assert_allclose(made.route_line[0, :2], made.ego_pose[:2], atol=1e-6)


def test_builders_outside_files_name_the_scenario_and_the_seed() -> None:
    scenario = msgspec.convert(
        {"id": "t", "map": "straight", "duration": 5, "ego": {"lane": 9, "s": 1}}, Scenario
    )
    with pytest.raises(ScenarioError, match=r"scenario t, seed 3: \$\.ego\.lane"):
        build_episode(scenario, 3)
