"""What the actors of a scenario do: motions, behaviours, triggers, doors, paths."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from written_scenarios import WIDTH, actor

from drivelab.geometry.boxes import box_polygons
from drivelab.sim.world.episode import BEHAVIOURS, Drive, Parked, Policy, Walk


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
