"""Every fault of a scenario is told with its line, its path and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

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


TABLE = Path(__file__).parent / "tables" / "scenario_faults.yaml"
FAULTS = yaml.safe_load(TABLE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("fault", FAULTS, ids=[fault["name"] for fault in FAULTS])
def test_every_fault_is_told_with_its_line(fault: Mapping[str, Any]) -> None:
    found = faults(edited(fault["old"], fault["new"]))
    assert len(found) == len(fault["told"]), found
    for text, told in zip(found, fault["told"], strict=True):
        assert text.startswith(f"f.yaml:{told}")


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
