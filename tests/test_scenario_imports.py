"""Scenarios written out, cut out of logs, and read from other simulators' files."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from real_data import real_data

from drivelab.data.labmini import LabminiSource
from drivelab.errors import ConfigError, DataError
from drivelab.sim.scenario.files import check_scenario, load_scenario, parse_scenario
from drivelab.sim.scenario.from_log import scenario_from_log
from drivelab.sim.scenario.imports.hugsim import import_hugsim
from drivelab.sim.scenario.imports.neuroncap import import_neuroncap
from drivelab.sim.scenario.json_schema import json_schema
from drivelab.sim.scenario.logs import log_source
from drivelab.sim.scenario.schema import Scenario
from drivelab.sim.scenario.shape import tagged
from drivelab.sim.scenario.writing import scenario_yaml
from drivelab.sim.world.episode import Drive, Parked, Replay, Walk

EVERY_KEY = """\
id: "1e3"
purpose: "yes: every kind of value"
family: daily
map: {template: crossing, control: lights, lanes: 2}
duration: 20.5
ego: {pose: [60.0, -5.25, 0.0], speed: 8}
route: {goal: {lane: 1, s: 200}}
actors:
  - {id: a, model: bus, lane: 1, s: 90, speed: 8, motion: {type: drive, pace: 0.8,
     driver: {headway: 2.0}, route: {turn: left}, lane_changes: false}}
  - {id: b, kind: pedestrian, size: [0.5, 0.5], ahead: 30, left: -6, heading_deg: 90,
     nudge: {ahead: 1.5}, behavior: [{type: jaywalk, path: [[100, 2], {lane: 1, s: 99}],
     when: {ego_within: {pose: [95, 0], radius: 20}}}]}
traffic: {density: 5, seed: 4}
lights: {mode: fixed, ego: red}
signs: {mode: "off", stop: [left_0]}
weather: {fog: 0.5}
time_of_day: 6.5
sensors: {faults: [{fault: delayed, delay: 0.3}]}
scenario_kinds: [ParkingCutIn]
vary: {ego.speed: {normal: [8, 1]}, map.lanes: {grid: [1, 2]}}
expect: {min_score: {rad9_v2: 0.5}, max_time: 20}
terminate: {route_deviation: null}
notes: ["off", "a: b"]
"""


def test_what_is_written_is_read_back() -> None:
    scenario = parse_scenario(EVERY_KEY).scenario
    text = scenario_yaml(scenario, header="one\ntwo")
    assert text.startswith("# one\n# two\n")
    assert parse_scenario(text).scenario == scenario
    assert scenario_yaml(parse_scenario(text).scenario, header="one\ntwo") == text


def test_the_json_schema_takes_what_the_checker_takes() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    data = msgspec.yaml.decode(EVERY_KEY.encode())
    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, "durations": 3}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, "ego": {"lane": 1, "s": "far"}}, schema)


def test_the_json_schema_tells_units_and_allows_every_key() -> None:
    parts = json_schema()["$defs"]
    assert parts["When"]["properties"]["gap_below"]["description"].endswith("[m]")
    assert parts["Actor"]["properties"]["speed"]["description"] == "at the start [m/s]"
    assert set(parts["Scenario"]["properties"]) == set(Scenario.__struct_fields__)
    assert "type" not in parts["TownMap"]["properties"]
    assert parts["TownMap"]["required"] == ["town"]
    assert "lanes" in parts["TemplateMap"]["properties"]
    json.dumps(parts)


def test_tags_are_written_only_where_they_tell_something() -> None:
    data = tagged({"map": {"town": "Town05"}, "vary": {"a": {"uniform": [1, 2]}}})
    assert data["map"] == {"type": "town", "town": "Town05"}
    assert data["vary"]["a"]["type"] == "uniform"


# Logs.


@pytest.fixture(scope="module")
def logged():
    source = LabminiSource()
    return source.load(next(name for name in source.scene_ids() if name.startswith("roundabout")))


def test_a_log_becomes_a_scenario_that_repeats_it(logged) -> None:
    made = scenario_from_log(logged, "labmini", duration=4.0)
    text = scenario_yaml(made)
    again = parse_scenario(text)
    assert again.scenario == made
    assert check_scenario(again) == []
    episode = again.episode(0)
    np.testing.assert_allclose(episode.ego_pose, logged.ego.poses[logged.now], atol=1e-3)
    assert episode.duration == 4.0
    actor = episode.actors[0]
    assert isinstance(actor.motion, Replay)
    track = made.actors[0].motion.track
    frame = logged.tracks.poses[:, logged.tracks.ids.index(track)]
    dt = round((logged.ego.times[1] - logged.ego.times[0]) * 1e-6 / 0.1)  # steps a frame
    mine = episode.log.poses[:, actor.motion.track]
    np.testing.assert_allclose(mine[::dt], frame[logged.now :][: len(mine[::dt])], atol=1e-9)
    assert episode.expert is not None
    assert episode.history is not None
    assert episode.history.frames == logged.now + 1  # agents must not see the future


def test_scripted_traffic_can_be_edited(logged) -> None:
    made = scenario_from_log(logged, "labmini", duration=4.0, traffic="scripted")
    episode = parse_scenario(scenario_yaml(made)).episode(0)
    assert {type(actor.motion) for actor in episode.actors} <= {Walk, Parked}
    moving = [actor for actor in made.actors if actor.speed > 0]
    assert moving
    assert all(len(actor.motion.path) < 40 for actor in moving)  # simplified, not dumped


def test_logs_that_end_too_early_are_refused(logged) -> None:
    with pytest.raises(ConfigError, match="the log runs from"):
        scenario_from_log(logged, "labmini", at=99.0)
    made = scenario_from_log(logged, "labmini", duration=4.0)
    longer = msgspec.structs.replace(made, duration=60.0)
    found = check_scenario(parse_scenario(scenario_yaml(longer), "f.yaml"))
    assert "$.duration: is 60 s, but the log ends after" in found[0]


# HUGSIM.

HUGSIM = """\
mode: hard_01
plan_list:
- [0.5, 25, -0.3, 0, 4, car_a, IDM, {v0: 8, s0: 3}]
- [3.5, 12, -0.3, 0, 4, car_b, AttackPlanner, {pred_steps: 20, ATTACK_FREQ: 3, best_k: 1}]
- [-4, 40, -0.3, 3.14159265, 5, car_c, ConstantPlanner, {}]
- [20, 30, 0, -1.5707963, 3, car_d, AttackPlanner, {}]
- [0, -30, 0, 0, 6, car_e, UnicyclePlanner, {uc_id: 3, speed: 1.0}]
- [9, 60, 0, 0, 0, car_f, ConstantPlanner, {}]
load_HD_map: false
start_euler: [0.0, 0.0, 0.0]
start_ab: [0.0, 0.0]
start_velo: 6
start_steer: 0.1
scene_name: scene-0796
iteration: 30000
"""


@pytest.fixture
def hugsim(tmp_path: Path) -> Path:
    file = tmp_path / "scene-0796-hard-01.yaml"
    file.write_text(HUGSIM)
    return file


def test_hugsim_rows_become_actors_beside_the_ego(hugsim: Path) -> None:
    made = import_hugsim(hugsim)
    source = parse_scenario(scenario_yaml(made))
    assert check_scenario(source) == []
    episode = source.episode(0)
    ego = episode.ego_pose
    # right becomes -left, forward counts from the middle of the ego's box, yaw turns over
    front = ego[0] + 1.461
    np.testing.assert_allclose(episode.actors[0].pose[:2], [front + 25, ego[1] - 0.5], atol=1e-3)
    np.testing.assert_allclose(episode.actors[3].pose[:2], [front + 30, ego[1] - 20], atol=1e-3)
    np.testing.assert_allclose(episode.actors[3].pose[2], np.pi / 2, atol=1e-3)
    kinds = [type(actor.motion) for actor in episode.actors]
    assert kinds == [Drive, Drive, Walk, Walk, Walk, Parked]
    idm = episode.actors[0].motion
    assert (idm.driver.min_gap, idm.driver.headway) == (3.0, 2.0)  # said, HUGSIM's default
    limit = episode.map.lanes[idm.route[0]].speed_limit
    assert idm.pace == pytest.approx(8.0 / limit, abs=1e-3)
    assert episode.actors[1].behaviours[0].kind == "cut_in"
    assert episode.actors[3].behaviours[0].kind == "follow_path"
    assert episode.actors[3].behaviours[0].values["meet"] == 1.0
    assert episode.termination.route_deviation == 10.0


def test_what_hugsim_says_in_vain_is_noted(hugsim: Path) -> None:
    notes = "\n".join(import_hugsim(hugsim).notes)
    for word in ("scene-0796", "actor_1", "actor_4", "iteration: 30000", "start_steer: 0.1"):
        assert word in notes


def test_hugsim_starts_are_turned_and_moved(tmp_path: Path) -> None:
    file = tmp_path / "h.yaml"
    file.write_text(
        HUGSIM.replace("start_euler: [0.0, 0.0, 0.0]", "start_euler: [0.0, 90.0, 0.0]").replace(
            "start_ab: [0.0, 0.0]", "start_ab: [10.0, 5.0]"
        )
    )
    actor = import_hugsim(file).actors[0]
    # the ego stands at (5 forward, 10 right) and looks to the right: what was forward is left
    assert actor.ahead == pytest.approx(0.5 - 10.0 + 1.461, abs=1e-3)
    assert actor.left == pytest.approx(25.0 - 5.0, abs=1e-3)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("IDM,", "IDMM,", r"plan_list\[0\]: unknown controller 'IDMM'"),
        ("[0.5, 25, -0.3, 0, 4, car_a, IDM, {v0: 8, s0: 3}]", "[1, 2]", r"plan_list\[0\]: expect"),
        ("[0.5, 25,", "[0.5, far,", r"plan_list\[0\]: is \[0.5, 'far'"),
        ("v0: 8", "v0: fast", r"plan_list\[0\]\.v0: is 'fast'; expected a number"),
        ("start_velo: 6", "start_velo: fast", "start_velo: is 'fast'; expected a number"),
    ],
)
def test_broken_hugsim_files_say_where(hugsim: Path, old: str, new: str, told: str) -> None:
    hugsim.write_text(HUGSIM.replace(old, new))
    with pytest.raises(DataError, match=told):
        import_hugsim(hugsim)


def test_hugsim_needs_a_template_that_there_is(hugsim: Path) -> None:
    with pytest.raises(ConfigError, match="map=strait: there is no map template 'strait'"):
        import_hugsim(hugsim, map_name="strait")


# NeuroNCAP, on real logs.

NEURONCAP = """\
general: {start-pose: original, start-velo: original, start-frame: 8, time-step: 0.5,
  priming-steps: 2, duration: 7.0, smooth-actors: true, start-jitter: 1}
actors:
  - uuids: [not-there, dc762bf1bc694d3e8141bf592f9b1456]
    mode: override
    times: [3.0, 7.0, 9.0, 20.0]
    is_target_actor: true
    positions: [[668.0, 1625.0, 0.0], [660.0, 1610.0, 0.0], [655.0, 1600.0, 0.0],
      [655.0, 1600.0, 0.0]]
    jitter: {longitudinal: 1.0, lateral: 0.5, long-lat-angle: -2.0, yaw-jitter: 0.0}
  - uuid: f1335e8d0b7c40988d9ab522b5993d3d
    mode: override
    times: [0.0, 20.0]
    initial-yaw: -0.8
    positions: [[670.0, 1590.0, 0.0], [670.0, 1590.0, 0.0]]
    jitter: {longitudinal: 5.0, lateral: 1.5, long-lat-angle: -0.8, yaw-jitter: 0.5,
      uniform: false}
    exclusive-group: one
"""


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> str:
    root = str(real_data("real_logs"))
    monkeypatch.setenv("DRIVELAB_REALLOGS_ROOT", root)
    return root


@pytest.mark.data
def test_neuroncap_files_start_where_their_log_does(logs: str, tmp_path: Path) -> None:
    (tmp_path / "side").mkdir()
    file = tmp_path / "side" / "0103.yaml"
    file.write_text(NEURONCAP)
    made = import_neuroncap(file, root=logs)
    assert (made.map.log, made.map.at, made.duration) == ("scene-0103-3500000", 0.5, 7.0)
    source = load_scenario(_written(made, tmp_path))
    assert check_scenario(source, seeds=3) == []
    episode = source.episode(-1)
    target, parked = episode.actors
    # at 4.0 s of the log, a quarter of the way from the first to the second position
    np.testing.assert_allclose(target.pose[:2], [666.0, 1621.25], atol=1e-3)
    assert target.speed == pytest.approx(np.hypot(8, 15) / 4, abs=1e-3)
    assert target.size == (5.03, 1.95)  # of the recorded car
    later = [(act.when.time, act.values["speed"]) for act in target.behaviours]
    assert later == [(3.0, pytest.approx(np.hypot(5, 10) / 2, abs=1e-3)), (5.0, 0.0)]
    assert isinstance(parked.motion, Parked)
    assert parked.pose[2] == pytest.approx(-0.8, abs=1e-3)
    assert "exclusive-group" in "\n".join(made.notes)


@pytest.mark.data
def test_neuroncap_jitter_varies_the_actor_s_whole_motion(logs: str, tmp_path: Path) -> None:
    file = tmp_path / "0103.yaml"
    file.write_text(NEURONCAP)
    source = load_scenario(_written(import_neuroncap(file, root=logs), tmp_path))
    plain = source.episode(-1).actors[0]
    angle = -2.0
    for seed in range(3):
        made = source.episode(seed).actors[0]
        moved = made.pose[:2] - plain.pose[:2]
        ahead = moved @ [np.cos(angle), np.sin(angle)]
        left = moved @ [-np.sin(angle), np.cos(angle)]
        assert abs(ahead) <= 1.0
        assert abs(left) <= 0.5
        end = made.motion.path[-1, :2] - plain.motion.path[-1, :2]
        np.testing.assert_allclose(end, moved, atol=1e-3)


@pytest.mark.data
def test_real_logs_become_scenarios(logs: str) -> None:
    source = log_source("reallogs", logs)
    ids = source.scene_ids()
    for name in (ids[3], next(name for name in ids if "scene-0916" in name)):
        made = scenario_from_log(source.load(name), "reallogs", duration=4.0)
        assert check_scenario(parse_scenario(scenario_yaml(made))) == []


def test_neuroncap_needs_its_log(tmp_path: Path) -> None:
    (tmp_path / "nuscenes_mini").mkdir()
    file = tmp_path / "0103.yaml"
    file.write_text(NEURONCAP)
    with pytest.raises(DataError):
        import_neuroncap(file, root=str(tmp_path))
    unnumbered = tmp_path / "side.yaml"
    unnumbered.write_text(NEURONCAP)
    with pytest.raises(ConfigError, match="holds no scene number"):
        import_neuroncap(unnumbered, root=str(tmp_path))


def _written(made: Scenario, folder: Path) -> Path:
    file = folder / f"{made.id}.yaml"
    file.write_text(scenario_yaml(made))
    return file
