"""Every fault of a scenario is told with its line, its path and what to write instead."""

import re

import pytest

from drivelab.errors import ConfigError
from drivelab.sim.scenario.files import check_scenario, load_scenario, parse_scenario
from drivelab.sim.scenario.problems import ScenarioError

GOOD = """\
id: cut_in_left
map: straight_3lane
duration: 12.0            # [s]
ego: {lane: 1, s: 20.0, speed: 12.0}
actors:
  - id: car_a
    kind: vehicle
    lane: 2
    s: 35.0
    speed: 10.0
    behavior: {type: cut_in, to_lane: 1, when: {gap_below: 12.0}, over: 2.5}
vary:
  actors.car_a.speed: {uniform: [8.0, 12.0]}
expect:
  no_collision: true
  min_progress: 80.0      # [m]
"""
CUT_IN = "behavior: {type: cut_in, to_lane: 1, when: {gap_below: 12.0}, over: 2.5}"


def faults(text: str) -> list[str]:
    """All lines that reading and checking print."""
    try:
        return check_scenario(parse_scenario(text, "f.yaml"), seeds=2)
    except ScenarioError as error:
        return list(error.lines)


def edited(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_the_example_of_the_schema_is_right() -> None:
    assert faults(GOOD) == []


SHAPE = [
    ("gap_below: 12.0", "gap_belo: 12.0", 11, "$.actors[0].behavior.when.gap_belo: unknown key "
     "`gap_belo`, did you mean `gap_below` (bumper to bumper, to the ego, [m])?"),
    ("speed: 10.0", "speed: fast", 10, "$.actors[0].speed: expected a number [m/s], got `fast`"),
    ("duration: 12.0 ", "duration: 12 s ", 3, "$.duration: expected a number [s], got `12 s`; "
     "write the number alone, in s"),
    ("speed: 12.0", "speed: 45 km/h", 4, "$.ego.speed: expected a number [m/s], got `45 km/h`; "
     "write the number alone, in m/s, not in km/h"),
    ("over: 2.5", "over: 0", 11, "$.actors[0].behavior.over: is 0; expected more than 0 [s]"),
    ("gap_below: 12.0", "gap_below: -1", 11, "$.actors[0].behavior.when.gap_below: is -1; expected "
     "more than 0 [m]"),
    ("type: cut_in", "type: cut_inn", 11, "$.actors[0].behavior.type: unknown type `cut_inn`, did "
     "you mean `cut_in`?"),
    ("type: cut_in, ", "", 11, "$.actors[0].behavior: the key `type` is missing; one of cut_in, "),
    ("kind: vehicle", "kind: vehicel", 7, "$.actors[0].kind: unknown word `vehicel`, did you mean "
     "`vehicle`?"),
    ("no_collision: true", "no_collision: 1", 15, "$.expect.no_collision: expected true or false"),
    ("min_progress", "min_progres", 16, "$.expect.min_progres: unknown key `min_progres`, did you "
     "mean `min_progress` (driven along the route, [m])?"),
    ("id: cut_in_left", "id: cut in", 1, "$.id: `cut in` does not fit the pattern"),
    ("map: straight_3lane", "map: {templat: straight}", 2, "$.map: expected one of the keys "
     "template, opendrive, town, log; did you mean `template`?"),
    ("map: straight_3lane", "map: {town: T, log: x}", 2, "$.map: expected one of the keys"),
    ("{uniform: [8.0, 12.0]}", "{unifrm: [8.0, 12.0]}", 13, "$.vary.actors.car_a.speed: expected "
     "one of the keys uniform, normal, choice, grid; did you mean `uniform`?"),
    ("[8.0, 12.0]", "[8.0]", 13, "$.vary.actors.car_a.speed.uniform: expected 2 entries, got 1"),
    ("duration: 12.0            # [s]\n", "", 1, "$: the key `duration` is missing (it ends at "
     "this time at the latest [s])"),
]  # fmt: skip

RULES = [
    ("speed: 10.0", "speed: 10.0\n    pose: [1, 2]", 11, "$.actors[0].pose: `lane` says already "
     "where it is; keep one of them"),
    ("    s: 35.0\n", "", 8, "$.actors[0].lane: the key `s` is missing"),
    ("lane: 1, s: 20.0, speed: 12.0", "speed: 12.0", 4, "$.ego: no place is given: write `lane`"),
    ("gap_below: 12.0", "time: 30", 11, "$.actors[0].behavior.when.time: is 30 s, but the scenario "
     "ends at 12 s"),
    ("gap_below: 12.0", "ego_past: 15", 11, "$.actors[0].behavior.when.ego_past: is 15 m, not "
     "ahead of the ego's start at 20 m"),
    ("gap_below: 12.0", "after: 0", 11, "$.actors[0].behavior.when.after: a behaviour cannot wait "
     "for itself"),
    ("gap_below: 12.0", "after: hard_brak", 11, "$.actors[0].behavior.when.after: `car_a` has no "
     "behaviour `hard_brak`"),
    ("to_lane: 1, ", "", 11, "$.actors[0].behavior: expected one of to_lane, lanes"),
    ("to_lane: 1, ", "lanes: 0, ", 11, "$.actors[0].behavior.lanes: is 0; a cut-in changes"),
    ("type: cut_in, to_lane: 1", "type: open_door", 10, "$.actors[0].speed: it is parked, but has"),
    ("speed: 10.0", "motion: parked", 11, "$.actors[0].behavior.type: cut_in needs motion drive; "
     "`car_a`: parked"),
    ("kind: vehicle", "kind: pedestrian\n    motion: drive", 8, "$.actors[0].motion: a pedestrian "
     "cannot drive; use walk or parked"),
    ("speed: 10.0", "speed: 10.0\n    motion: parked", 10, "$.actors[0].speed: it is parked, but "
     "has a speed; leave one out"),
    ("speed: 10.0", "speed: 10.0\n    motion: walk", 11, "$.actors[0].motion: walk needs a way"),
    ("speed: 10.0", "motion: {type: replay, track: x}", 8, "$.actors[0].lane: a replayed track"),
    ("id: car_a", "id: ego", 6, "$.actors[0].id: `ego` is the ego's name; names must differ"),
    ("[8.0, 12.0]", "[12.0, 8.0]", 13, "$.vary.actors.car_a.speed: the range [12.0, 8.0] is upside "
     "down; expected [low, high]"),
    ("actors.car_a.speed:", "actors.car_b.speed:", 13, "$.vary.actors.car_b.speed: `actors` has no "
     "`car_b`, did you mean `car_a`?"),
    ("actors.car_a.speed:", '"actors.\u00b2.speed":', 13, "$.vary.actors.\u00b2.speed: `actors` "
     "has no `\u00b2`"),
    ("id: car_a", 'id: "\0"', 1, "is no YAML: unacceptable character #x0000"),
    ("actors.car_a.speed:", "actors.car_a.sped:", 13, "$.vary.actors.car_a.sped: unknown key "
     "`sped`, did you mean `speed` (at the start, [m/s])?"),
    ("actors.car_a.speed:", "actors.car_a.behavior:", 13, "$.vary.actors.car_a.behavior: "
     "`behavior` is a mapping; name one of its keys"),
    ("[8.0, 12.0]", "[-3.0, 12.0]", 13, "$.vary.actors.car_a.speed: is -3; expected at least 0"),
    ("{uniform: [8.0, 12.0]}", "{normal: [8.0, 0.0]}", 13, "$.vary.actors.car_a.speed: the "
     "deviation is 0; expected more than 0"),
    ("actors.car_a.speed:", "expect.min_progress:", 13, "$.vary.expect.min_progress: `expect` "
     "cannot vary"),
    ("min_progress: 80.0", "max_time: 20", 16, "$.expect.max_time: is 20 s, but the scenario ends"),
    ("min_progress: 80.0", "min_score: {rad8: 1}", 16, "$.expect.min_score.rad8: there is no score "
     "`rad8`, did you mean `rad9_v2`?"),
    ("min_progress: 80.0", "min_score: {'os:abort': 1}", 16, "$.expect.min_score.os:abort: there "
     "is no score `os:abort`"),
    ("map:", "route: {turn: left, lanes: [1]}\nmap:", 2, "$.route: expected one of turn, goal, "
     "lanes, recorded; got turn and lanes"),
    ("map:", "route: {recorded: true}\nmap:", 2, "$.route.recorded: only the ego on the map of a"),
    ("map:", "sensors: {faults: [{fault: black, start: 3, stop: 2}]}\nmap:", 2,
     "$.sensors.faults[0].stop: is 2 s, not after its start at 3 s"),
]  # fmt: skip

PLACES = [
    ("map: straight_3lane", "map: straigt_3lane", 2, "$.map: there is no map template "
     "'straigt_3lane'; did you mean 'straight'?"),
    ("map: straight_3lane", "map: {template: straight, lans: 3}", 2, "$.map: map template "
     "'straight' has no parameter 'lans'; did you mean 'lanes'?"),
    ("map: straight_3lane", "map: {opendrive: ../x.xodr}", 2, "$.map.opendrive: `../x.xodr` leads "
     "out of the scenario's folder"),
    ("map: straight_3lane", "map: {opendrive: x.xodr}", 2, "$.map.opendrive: there is no file"),
    ("lane: 2\n", "lane: 7\n", 8, "$.actors[0].lane: the map straight has no lane `7`"),
    ("s: 35.0", "s: 435.0", 9, "$.actors[0].s: is 435 m, but lane `2` runs from 0 to 400.0 m"),
    ("to_lane: 1", "to_lane: 2", 11, "$.actors[0].behavior.to_lane: it is on lane `2` already"),
    ("to_lane: 1", "to_lane: opposite_0", 11, "$.actors[0].behavior.to_lane: lane `opposite_0` is "
     "nowhere beside the actor's lane"),
    ("gap_below: 12.0", "ego_past: 390.5", 11, None),
    ("gap_below: 12.0", "ego_past: 401", 11, "$.actors[0].behavior.when.ego_past: is 401 m, but "
     "the ego's route ends at 400.0 m"),
    ("lane: 1, s: 20.0", "lane: 2, s: 33.0", 6, "$.actors[0]: `car_a` overlaps `ego` at "
     "the start; move one of them"),
    ("lane: 1, s: 20.0", "pose: [20, 30]", 4, "$.ego: no lane runs through (20.0, 30.0)"),
    ("lane: 1, s: 20.0", "lane: 0, s: 20, offset: -4.5", 4, "$.ego: 47% of its box is off the road "
     "at the start"),
    ("map:", "route: {goal: {lane: 1, s: 10}}\nmap:", 2, "$.route.goal: no lanes lead there"),
    ("map:", "route: {goal: {lane: opposite_0, s: 100}}\nmap:", 2, "$.route.goal: no lanes lead"),
    ("map:", "route: {turn: left}\nmap:", 2, "$.route.turn: no junction with a way `left`"),
    ("map:", "lights: {mode: cycle}\nmap:", 2, "$.lights: the map has no traffic lights"),
    ("map:", "traffic: {parked: 400}\nmap:", 2, "$.traffic.parked: is 400, but the map has room"),
    ("speed: 10.0", "speed: 10.0\n    heading_deg: 20", 11, "$.actors[0].heading_deg: a driver "
     "takes its heading from its lane"),
    ("over: 2.5", "over: 99", 11, "$.actors[0].behavior: actor 'car_a', behaviour 0 (cut_in): over "
     "is 99.0; expected 0.1 to 60 s"),
    ("speed: 10.0", "speed: 10.0\n    offset: 3.0", 11, "$.actors[0].offset: is 3 m; a driver "
     "keeps within 2.5 m of its lane"),
    (CUT_IN, "motion: {type: walk, distance: 1e12, speed: 1}", 11,
     "$.actors[0].motion.distance: is 1e+12 m long; expected at most 50000 m"),
    (CUT_IN, "motion: {type: walk, path: [[1e300, 0], [-1e300, 2]], speed: 1}", 11,
     "$.actors[0].motion.path: is "),
    ("actors.car_a.speed: {uniform: [8.0, 12.0]}", "ego.s: {uniform: [401, 402]}", 4,
     "$.ego.s: is 40"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "told"), [*SHAPE, *RULES, *PLACES])
def test_every_fault_is_told_with_its_line(old: str, new: str, line: int, told: str | None) -> None:
    found = faults(edited(old, new))
    if told is None:
        assert found == []
    else:
        assert any(text.startswith(f"f.yaml:{line}: {told}") for text in found), found


def test_several_faults_are_told_together_in_the_order_of_their_lines() -> None:
    text = edited("gap_below: 12.0", "gap_belo: 12.0").replace("speed: 10.0", "speed: fast")
    found = faults(text.replace("min_progress", "min_progres"))
    assert [int(re.match(r"f.yaml:(\d+):", line)[1]) for line in found] == [10, 11, 16]


def test_faults_of_places_are_told_together_too() -> None:
    text = edited("lane: 2\n", "lane: 7\n") + "route: {turn: sideways}\n"
    found = faults(text)
    assert [line.split(": ")[1] for line in found] == ["$.actors[0].lane", "$.route.turn"]


def test_grids_that_are_too_large_are_refused() -> None:
    grid = ", ".join(str(k / 100) for k in range(150))
    text = edited("actors.car_a.speed: {uniform: [8.0, 12.0]}", f"ego.speed: {{grid: [{grid}]}}\n"
                  f"  actors.car_a.speed: {{grid: [{grid}]}}")  # fmt: skip
    assert faults(text) == [
        "f.yaml:12: $.vary: the grids have 22500 combinations together, at most 10000 are taken"
    ]


def test_what_only_some_seeds_draw_is_told_with_the_seed() -> None:
    text = edited("actors.car_a.speed: {uniform: [8.0, 12.0]}", "ego.s: {grid: [20, 33, 34]}")
    found = faults(text.replace("{lane: 1,", "{lane: 2,"))
    assert found[0].endswith("`car_a` overlaps `ego` at the start; move one of them (seed 1)")


def test_names_that_are_nowhere_are_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="there is no scenario `no_such_thing` in the library"):
        load_scenario("no_such_thing")
    with pytest.raises(ConfigError, match=r"there is no scenario file missing\.yaml"):
        load_scenario("missing.yaml")
