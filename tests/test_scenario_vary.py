"""What varies from seed to seed."""

from __future__ import annotations

import numpy as np
import pytest

from drivelab.sim.scenario.files import parse_scenario
from drivelab.sim.scenario.sampler import draws, grid_size, sample
from drivelab.sim.scenario.schema import Scenario

BASE = """\
id: v
map: {template: straight, lanes: 3}
duration: 12
ego: {lane: 1, s: 20, speed: 12}
actors:
  - id: a
    model: car
    lane: 2
    s: 50
    speed: 8
    behavior: [{type: hard_brake, when: {time: 2}}, {type: set_speed, speed: 5}]
vary:
"""


def scenario(vary: str) -> Scenario:
    return parse_scenario(BASE + vary).scenario


def test_uniform_draws_fill_their_range_evenly() -> None:
    made = scenario("  ego.speed: {uniform: [8, 12]}\n")
    values = np.array([draws(made, seed)["ego.speed"] for seed in range(400)])
    assert 8 <= values.min() < 8.1
    assert 11.9 < values.max() <= 12
    assert values.mean() == pytest.approx(10.0, abs=0.15)


def test_normal_draws_stay_within_their_limits() -> None:
    made = scenario("  ego.speed: {normal: [10, 1], low: 9, high: 11.5}\n")
    values = np.array([draws(made, seed)["ego.speed"] for seed in range(400)])
    assert values.min() >= 9
    assert values.max() <= 11.5
    assert values.std() == pytest.approx(0.65, abs=0.1)


def test_choices_are_equally_likely() -> None:
    made = scenario("  actors.a.model: {choice: [car, van, truck]}\n")
    found = [draws(made, seed)["actors.a.model"] for seed in range(300)]
    assert all(70 < found.count(model) < 130 for model in ("car", "van", "truck"))


def test_grids_go_through_all_combinations_in_turn() -> None:
    made = scenario("  ego.speed: {grid: [8, 10]}\n  actors.a.s: {grid: [40, 50, 60]}\n")
    assert grid_size(made) == 6
    found = [tuple(draws(made, seed).values()) for seed in range(12)]
    assert found[:6] == [(8, 40), (8, 50), (8, 60), (10, 40), (10, 50), (10, 60)]
    assert found[6:] == found[:6]


def test_adding_a_path_changes_no_other_draw() -> None:
    first = scenario("  ego.speed: {uniform: [8, 12]}\n")
    second = scenario("  actors.a.s: {uniform: [40, 60]}\n  ego.speed: {uniform: [8, 12]}\n")
    for seed in range(5):
        assert draws(first, seed)["ego.speed"] == draws(second, seed)["ego.speed"]


def test_scenarios_of_other_names_draw_otherwise() -> None:
    made = scenario("  ego.speed: {uniform: [8, 12]}\n")
    other = parse_scenario(BASE.replace("id: v", "id: w") + "  ego.speed: {uniform: [8, 12]}\n")
    assert draws(made, 0) != draws(other.scenario, 0)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("actors.a.behavior.0.when.time", 3.0),
        ("actors.a.behavior.set_speed.speed", 6.0),
        ("actors.0.s", 55.0),
        ("map.lanes", 2),
        ("map.length", 500),
        ("ego.offset", 0.5),  # a key that the text leaves out
    ],
)
def test_paths_lead_to_behaviours_parameters_and_defaults(path: str, value: float) -> None:
    made = sample(scenario(f"  {path}: {{choice: [{value}]}}\n"), 0)
    places = {
        "actors.a.behavior.0.when.time": lambda s: s.actors[0].acts[0].when.time,
        "actors.a.behavior.set_speed.speed": lambda s: s.actors[0].acts[1].speed,
        "actors.0.s": lambda s: s.actors[0].s,
        "map.lanes": lambda s: s.map.parameters["lanes"],
        "map.length": lambda s: s.map.parameters["length"],
        "ego.offset": lambda s: s.ego.offset,
    }
    assert places[path](made) == value
    assert made.vary == {}


def test_a_negative_seed_takes_the_text_as_it_is_written() -> None:
    made = sample(scenario("  ego.speed: {uniform: [8, 9]}\n"), -1)
    assert made.ego.speed == 12.0
    assert made.vary == {}
