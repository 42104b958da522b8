"""Traffic lights of a scenario: signal groups in turn, counted from the ego's."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from drivelab.sim.scenario.problems import Fault
from drivelab.sim.scenario.surroundings import Lights
from drivelab.sim.world.episode import SignalGroup

FOREVER = np.inf


def plan_lights(
    groups: Sequence[tuple[str, ...]],
    junctions: Sequence[str],
    lights: Lights | None,
    route: Collection[str],
) -> tuple[SignalGroup, ...]:
    """Phases of all groups; empty where the lights are off.

    In a cycle every group of a junction is green once, one after another, the one on the ego's
    route first, at `ego_green`. Fixed, that group (or, for a red one, the next) is green for ever
    and the others are red.

    Args:
        groups: connectors that are green together.
        junctions: of each group; the groups of a junction take turns.
        lights: what the text says; None = a cycle that begins with the ego's green.
        route: lanes of the ego.
    """
    said = lights or Lights()
    if said.mode == "off":
        return ()
    planned: list[SignalGroup] = []
    for k, group in enumerate(groups):
        members = [i for i, junction in enumerate(junctions) if junction == junctions[k]]
        first = next((i for i in members if not set(groups[i]).isdisjoint(route)), members[0])
        turn = (members.index(k) - members.index(first)) % len(members)
        planned.append(_planned(group, said, turn, len(members)))
    return tuple(planned)


def light_faults(groups: Sequence[tuple[str, ...]], lights: Lights | None) -> list[Fault]:
    """Lights are spoken of where the map has none."""
    if lights is None or groups or lights.mode == "off":
        return []
    return [Fault(("lights",), "the map has no traffic lights")]


def _planned(group: tuple[str, ...], said: Lights, turn: int, count: int) -> SignalGroup:
    """The phase of the group whose turn comes as number `turn` of `count`."""
    if said.mode == "fixed":
        green = turn == (0 if said.ego == "green" else 1)
        end = FOREVER if green else 0.0
        return SignalGroup(group, FOREVER, 0.0, end, end)
    phase = said.green + said.yellow + said.all_red
    cycle = phase * max(count, 2)  # a single group needs a red phase too
    start = (said.ego_green + turn * phase) % cycle
    return SignalGroup(group, cycle, start, start + said.green, start + said.green + said.yellow)
