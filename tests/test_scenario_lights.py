"""Lights and signs of a scenario: phases by the ego's green, fixed lights, map and text."""

from __future__ import annotations

import numpy as np
from written_scenarios import episode

from drivelab.sim.world.episode import Episode


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
