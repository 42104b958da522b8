"""From a text and a seed to an episode: the same every time, in all ranges, with what it notes."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from written_scenarios import all_boxes, episode

from drivelab.sim.scenario.build import build_episode
from drivelab.sim.scenario.problems import ScenarioError
from drivelab.sim.scenario.schema import Scenario


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
