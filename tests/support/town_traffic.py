"""Dense traffic on the maps of the scenario templates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from small_roads import add_body, add_driver, room

from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.checks import check_actors
from drivelab.kernels.world.drive import choose_accelerations, move_drivers
from drivelab.kernels.world.lights import update_lights
from drivelab.kernels.world.locate import locate_actors
from drivelab.sim.scenario.templates.catalogue import build_template
from drivelab.sim.scenario.templates.template import RoadTemplate
from drivelab.sim.world.roads import RoadTables, road_tables

SPACING = 9.5  # smallest distance between the centres of two cars [m]
GREEN, YELLOW, CLEAR = 12.0, 3.0, 2.0  # of a phase [s]


def town(
    name: str,
    parameters: Mapping[str, float | str],
    environments: int,
    drivers: int,
    *,
    guests: bool = False,
) -> tuple[RoadTables, a.State]:
    """A map full of drivers that start at random places.

    `guests` makes some of them stand, replay straight on at their speed or leave their lane.
    """
    kind = {"town with signs": "grid_town"}.get(name, name.split()[0])
    made = build_template(kind, dict(parameters))
    known = road_tables(made.map, made.groups, made.stop_signs, made.yield_signs)
    state = room(environments, drivers + 1, groups=max(len(made.groups), 1))
    for e in range(environments):
        _fill(known, state, e, drivers)
        state.seed[e] = 7 * e
        _plan_lights(made, state, e)
        if guests:
            _make_guests(known, state, e)
    update_lights(state)
    locate_actors(known.roads, state)
    return known, state


def flowing(known: RoadTables, state: a.State) -> np.ndarray:
    """One step of drivers and of guests that go straight on; distance driven per environment."""
    choose_accelerations(known.roads, state)
    straight_on = state.mode == a.REPLAY
    state.x[straight_on] += (0.1 * state.speed * state.cos)[straight_on]
    state.y[straight_on] += (0.1 * state.speed * state.sin)[straight_on]
    move_drivers(known.roads, state)
    locate_actors(known.roads, state)
    check_actors(known.roads, state)
    state.step[:] += 1
    update_lights(state)
    return 0.1 * state.speed.sum(axis=1)


def _fill(known: RoadTables, state: a.State, e: int, drivers: int) -> None:
    rng, roads = np.random.default_rng(100 + e), known.roads
    places = []
    for name, number in known.lane_numbers.items():
        if not roads.lane_connector[number]:
            s = rng.uniform(3, SPACING)
            while s < roads.lane_length[number] - 3:
                places.append((name, s))
                s += SPACING * rng.uniform(1, 1.6)
    rng.shuffle(places)
    for slot, (name, s) in enumerate(places[:drivers]):
        size = (rng.uniform(4.0, 5.2), rng.uniform(1.7, 2.0))
        obeys = a.LIGHTS | a.SIGNS | a.YIELDS | a.CHANGES
        add_driver(
            known, state, slot, name, float(s), rng.uniform(0, 6), e=e, size=size, obeys=obeys
        )
        state.pace[e, slot] = rng.uniform(0.8, 1.1)


def _plan_lights(made: RoadTemplate, state: a.State, e: int) -> None:
    """The groups of a junction are green in turn."""
    junctions: dict[str | None, list[int]] = {}
    for number, group in enumerate(made.groups):
        block = made.map.blocks[made.map.lanes[group[0]].block]
        junctions.setdefault(block.intersection, []).append(number)
    phase = GREEN + YELLOW + CLEAR
    for groups in junctions.values():
        for turn, number in enumerate(groups):
            begin = turn * phase
            row = len(groups) * phase, begin, begin + GREEN, begin + GREEN + YELLOW
            state.light_plan[e, number] = row


def _make_guests(known: RoadTables, state: a.State, e: int) -> None:
    names = {number: name for name, number in known.lane_numbers.items()}
    for slot, mode in ((0, a.POLICY), (3, a.REPLAY), (6, a.PARKED), (9, a.WALK), (12, a.REPLAY)):
        lane, s = names[int(state.lane[e, slot])], float(state.lane_s[e, slot])
        aside = 0.4 * (slot % 2)
        add_body(known, state, slot, lane, s, 4.0 - slot / 4, e=e, left=aside, mode=mode)
        state.kind[e, slot] = 1 if mode == a.WALK else 0
        state.route[e, slot] = -1
    state.obeys[e, 2] |= a.EMERGENCY
    state.obeys[e, 5] = 0
    state.wish[e, 8] = 2.0
    state.push[e, 11] = -0.5
    state.shift_to[e, 14], state.shift_over[e, 14] = 2.5, 3.0
