"""CARLA's driving score and Bench2Drive: golden cases and routes worked out by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from closed_loop_road import junction, moving, rollout, scene, straight_road

from drivelab.errors import DataError
from drivelab.metrics.closed_loop.bench2drive import corrected, published
from drivelab.metrics.closed_loop.bench2drive_abilities import _ABILITIES_OF, ABILITIES
from drivelab.metrics.closed_loop.bench2drive_comfort import comfort_share
from drivelab.metrics.closed_loop.carla import leaderboard_1_0, leaderboard_2_0, leaderboard_2_1
from drivelab.metrics.closed_loop.carla_record import route_record
from drivelab.types import Rollout

GOLDEN = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden"))
CASES = json.loads((GOLDEN / "closed_loop" / "cases.json").read_text())["carla_driving_score"]
METRICS = {
    "lb1.0": leaderboard_1_0(),
    "lb2.0": leaderboard_2_0(),
    "lb2.1": leaderboard_2_1(),
    "bench2drive": published(),
}
EVENTS = {
    "veh": {"kind": "collision", "actor_kind": "vehicle", "ego_speed": 5.0},
    "ped": {"kind": "collision", "actor_kind": "pedestrian", "ego_speed": 5.0},
    "static": {"kind": "collision", "actor_kind": "static", "ego_speed": 5.0},
    "red": {"kind": "red_light"},
    "stop": {"kind": "stop_sign"},
    "scen_timeout": {"kind": "scenario_timeout"},
    "emergency": {"kind": "emergency_yield"},
}


def route(case: Mapping[str, Any]) -> Rollout:
    """A route of 1,000 steps of 1 m on which the case's infractions happen 20 m apart."""
    events = [
        {**EVENTS[name], "step": 20 * (n + 1), "actor": f"{name}{n}"}
        for n, name in enumerate(case["infractions"])
    ]
    events += [
        {"kind": "min_speed", "step": 0, "percent": q} for q in case["min_speed_checkpoint_pct"]
    ]
    off_lane = np.zeros(1001, bool)
    off_lane[1 : 1 + round(10 * case["outside_lane_pct"])] = True
    ego = moving(10.0, 1001)
    return rollout(
        ego, events=events, off_lane=off_lane, route_completion=case["rc"] / 100.0, goal=1000.0
    )


@pytest.mark.parametrize("version", METRICS)
@pytest.mark.parametrize("index", range(len(CASES)))
def test_golden_driving_scores(index: int, version: str) -> None:
    case = CASES[index]
    result = METRICS[version].score(scene(), route(case))
    assert result.score == pytest.approx(case[version], abs=1e-6)


def hit(step: int, actor: str, speed: float = 5.0) -> dict[str, Any]:
    kind = {"kind": "collision", "actor_kind": "vehicle"}
    return {**kind, "step": step, "actor": actor, "ego_speed": speed}


def test_one_collision_is_counted_once() -> None:
    # 10 m/s: the second is 2 s later by the same actor, the third 1 m on, the fourth by a standing
    # ego; the fifth is the same actor 6 s and 60 m after the first, the sixth another one 20 m on.
    times = [(100, "a"), (120, "a"), (101, "b"), (160, "a"), (180, "c")]
    events = [*(hit(step, actor) for step, actor in times), hit(140, "d", 0.05)]
    record = route_record(rollout(moving(10.0, 301), events=events))
    assert record.counts["vehicle"] == 3
    assert [event.step for _, event in record.infractions] == [100, 160, 180]


@pytest.mark.parametrize(
    ("second", "speed", "counted"),
    [
        (hit(149, "a"), 10.0, 1),  # the same actor 4.9 s later
        (hit(151, "a"), 10.0, 2),  # and 5.1 s later, 51 m on
        (hit(104, "b"), 12.0, 1),  # another one 4.8 m on
        (hit(105, "b"), 12.0, 2),  # and 6 m on
        (hit(151, "a"), 0.9, 1),  # 5.1 s later, but 4.59 m on
        (hit(200, "b", 0.09), 10.0, 1),  # the ego stood
        (hit(200, "b", 0.11), 10.0, 2),
        (hit(0, "b"), 10.0, 2),
    ],
)
def test_collisions_are_the_same_within_five_seconds_or_metres(
    second: dict[str, Any], speed: float, counted: int
) -> None:
    driven = rollout(moving(speed, 301), events=[hit(100, "a"), second])
    assert route_record(driven).counts["vehicle"] == counted


@pytest.mark.parametrize("step", [-1, 301])
def test_collisions_outside_of_the_episode_are_refused(step: int) -> None:
    with pytest.raises(DataError, match=f"a collision at step {step}; expected 0 to 300"):
        route_record(rollout(moving(10.0, 301), events=[hit(step, "a")]))


def test_infractions_per_kilometre() -> None:
    # 2 red lights on half of a route of 2 km: 2 / (0.5 x 2) = 2 per km; no collision.
    events = [{"kind": "red_light", "step": n, "light": "x"} for n in (10, 20)]
    half = rollout(
        moving(10.0, 101), events=events, route_completion=0.5, route_length=2000.0, goal=2000.0
    )
    metric = leaderboard_1_0()
    result = metric.score(scene(), half)
    assert result.score == pytest.approx(50 * 0.7 * 0.7)
    row = {"score": result.score, **result.subscores, **result.details}
    failed = {"score": 0.0, "route_completion": 0.0, "infraction_penalty": 0.0}
    run = metric.aggregate([row, failed])
    assert run["infractions_red_light_per_km"] == pytest.approx(2.0)
    assert run["score"] == pytest.approx(50 * 0.49 / 2)  # a failed route counts zero


def test_a_route_is_completed_near_its_goal() -> None:
    # 99.5 % and 10.0 m before the goal at x = 100 counts as 100 %; at 89 m it does not.
    near = route_record(rollout(moving(9.0, 101), route_completion=0.995))
    assert (near.completion, near.status) == (100.0, "Perfect")
    less = route_record(rollout(moving(9.0, 101), route_completion=0.9899))
    assert (less.completion, less.status) == (pytest.approx(98.99), "Failed")
    stood = route_record(rollout(moving(0.0, 101), off_lane=np.ones(101, bool)))
    assert stood.off_lane_percent == 0.0  # of no distance
    far = route_record(rollout(moving(8.9, 101), route_completion=0.995))
    assert (far.completion, far.status) == (99.5, "Failed")
    red = rollout(moving(9.0, 101), events=[{"kind": "red_light", "step": 9}])
    beside = rollout(moving(9.0, 101), off_lane=np.arange(101) == 50)
    assert [route_record(one).status for one in (red, beside)] == ["Completed"] * 2
    stopped = {"kind": "blocked", "step": 100}
    blocked = route_record(rollout(moving(9.0, 101), route_completion=0.6, events=[stopped]))
    assert (blocked.completion, blocked.status) == (60.0, "Failed - blocked")
    crashed = rollout(moving(9.0, 101), route_completion=0.995, status="failed: collision")
    assert route_record(crashed).status == "Failed - collision"


def test_success_needs_a_clean_route() -> None:
    metric = published()
    clean = metric.score(scene(), rollout(moving(10.0, 101), scenario_kinds=("Accident",)))
    assert clean.subscores["success_rate"] == 100.0
    assert clean.subscores["ability_overtaking"] == 100.0
    assert np.isnan(clean.subscores["ability_merging"])
    slow = rollout(moving(10.0, 101), events=[{"kind": "min_speed", "step": 9, "percent": 50.0}])
    result = metric.score(scene(), slow)
    assert result.subscores["success_rate"] == 100.0  # the minimum speed is no infraction here
    assert result.subscores["efficiency"] == 50.0
    red = rollout(moving(10.0, 101), events=[{"kind": "red_light", "step": 9}])
    assert metric.score(scene(), red).subscores["success_rate"] == 0.0


def test_efficiency_drops_absurd_checkpoints() -> None:
    # 80 % and 1,000 % count, 1,001 % does not: mean 540 %.
    events = [{"kind": "min_speed", "step": 0, "percent": q} for q in (80.0, 1000.0, 1001.0)]
    result = published().score(scene(), rollout(moving(10.0, 101), events=events))
    assert result.subscores["efficiency"] == pytest.approx(540.0)


@pytest.mark.parametrize(("share", "expected"), [(0.70, 100.0), (0.68, 0.0)])
def test_traffic_signs_rescue_routes_past_their_junction(share: float, expected: float) -> None:
    # The junction begins at x = 60. Route points at 0, 1, ..., 100 m: the first strictly inside is
    # the 62nd (61 m), so the share to pass is (62 + 8) / 101 = 0.693.
    road = straight_road([junction(60.0)])
    failed = rollout(
        moving(7.0, 101),
        events=[hit(5, "a")],
        route_completion=share,
        scenario_kinds=("T_Junction",),
    )
    parts = published().score(scene(road), failed).subscores
    assert parts["ability_traffic_signs"] == expected
    red = {"kind": "red_light", "step": 6}
    sinner = rollout(
        moving(7.0, 101), events=[red], route_completion=share, scenario_kinds=("T_Junction",)
    )
    assert published().score(scene(road), sinner).subscores["ability_traffic_signs"] == 0.0


def test_abilities_have_the_published_sizes() -> None:
    sizes = {name: sum(name in asked for asked in _ABILITIES_OF.values()) for name in ABILITIES}
    assert sizes == {
        "overtaking": 9,
        "merging": 16,
        "emergency_brake": 12,
        "give_way": 2,
        "traffic_signs": 19,
    }
    assert len(_ABILITIES_OF) == 44


def test_run_of_three_routes() -> None:
    metric = published()
    # One clean merge, one overtaking with a red light, one that could not be run.
    merge = metric.score(scene(), rollout(moving(10.0, 101), scenario_kinds=("HighwayExit",)))
    red = {"kind": "red_light", "step": 9}
    over = rollout(moving(10.0, 101), events=[red], scenario_kinds=("Accident",))
    rows = [
        {"score": result.score, **result.subscores, **result.details}
        for result in (merge, metric.score(scene(), over))
    ]
    rows.append({"score": 0.0, **dict.fromkeys(metric.subscores, 0.0)})
    run = metric.aggregate(rows)
    assert run["score"] == pytest.approx((100 + 70 + 0) / 3)
    assert run["success_rate"] == pytest.approx(100 / 3)
    assert (run["ability_merging"], run["ability_overtaking"]) == (100.0, 0.0)
    assert run["ability_mean"] == 50.0
    assert run["comfort"] == 100.0


def ramp(slope: float) -> np.ndarray:
    """Acceleration rising by `slope` [m/s^3] from 0 for 1 s, then constant: 2 s in all."""
    states = moving(8.0, 21)
    states[:, 5] = slope * np.minimum(0.1 * np.arange(21), 1.0)
    return states


def test_smoothness_as_published_halves_the_jerk() -> None:
    # A slope of 2 m/s^3 reaches 2 m/s^2 (limit 2.40). Published: the 20 Hz samples are taken as
    # 0.1 s apart, so the jerk reads 1 m/s^3; corrected 2 m/s^3. Both are within 4.13.
    assert comfort_share(ramp(2.0), corrected=False) == 1.0
    assert comfort_share(ramp(2.0), corrected=True) == 1.0
    # Braking with 8 m/s^3 for 0.4 s (-3.2 m/s^2, limit -4.05): reads as 4 m/s^3 published, 8
    # corrected, where the limits are 8.37 for the magnitude and 4.13 along.
    ego = moving(8.0, 21)
    ego[:, 5] = -8.0 * np.minimum(0.1 * np.arange(21), 0.4)
    assert comfort_share(ego, corrected=False) == 1.0
    assert comfort_share(ego, corrected=True) == 0.5  # the ramp lies in the first of two pieces
    assert published().score(scene(), rollout(ego)).subscores["comfort"] == 100.0
    assert corrected().score(scene(), rollout(ego)).subscores["comfort"] == 50.0
    assert published().name != corrected().name


@pytest.mark.parametrize(("slide", "share"), [(3.0, 0.0), (-3.0, 1.0), (0.0, 1.0)])
def test_smoothness_adds_sliding_to_turning(slide: float, share: float) -> None:
    # 10 m/s and 0.3 rad/s make 3 m/s^2 across; sliding outwards or inwards by 3 m/s^2 more makes it
    # 6 or 0 m/s^2 (limit 4.89).
    ego = moving(10.0, 21)
    ego[:, 9] = 0.3
    ego[:, 4] = slide * 0.1 * np.arange(21)
    assert comfort_share(ego, corrected=True) == share


def test_smoothness_as_published_takes_rates_for_accelerations() -> None:
    # 8 m/s on an arc of 0.5 rad/s: 4 m/s^2 across (limit 4.89), rate below 0.95: comfortable.
    ego = moving(8.0, 41)
    ego[:, 9] = 0.5
    assert comfort_share(ego, corrected=False) == comfort_share(ego, corrected=True) == 1.0
    # A rate that jumps by 0.6 rad/s: the filter (7 samples, quadratic) reads its slope as up to
    # (1 + 2 + 3) / 28 x 0.6 / 0.05 s = 2.57 rad/s^2, limit 1.93; the rate itself is below 0.95. It
    # jumps at 2.5 s, in the third of the four pieces of 1 s.
    ego = moving(2.0, 41)
    ego[25:, 9] = 0.6
    assert comfort_share(ego, corrected=False) == 1.0
    assert comfort_share(ego, corrected=True) == 0.75
