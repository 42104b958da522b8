"""One step of 0.1 s of all environments, and the look around before the first."""

from __future__ import annotations

from numba import njit

from drivelab.kernels.world.bodies import move_policies
from drivelab.kernels.world.checks import check_actors
from drivelab.kernels.world.drive import choose_accelerations, move_drivers
from drivelab.kernels.world.fetch import fetch_cells
from drivelab.kernels.world.lights import update_lights
from drivelab.kernels.world.locate import locate_actors
from drivelab.kernels.world.replay import replay_actors
from drivelab.kernels.world.scripts import run_scripts
from drivelab.kernels.world.signs import check_signs
from drivelab.kernels.world.walk import move_walkers
from drivelab.kernels.world.ways import follow_ways


@njit(cache=True, inline="always")
def step_world(roads, state, controls, poses, how, policies):  # type: ignore[no-untyped-def]
    """Move all environments by one step.

    Everybody decides on the moment before, then everybody moves, then it is looked at; last the
    clock goes on and the lights show what the next moment's drivers see.

    Args:
        roads: tables of the bank of maps.
        state: all environments; replaced.
        controls: (E, A, 2) acceleration [m/s^2], steering rate [rad/s] of the policies' vehicles.
        poses: (E, A, 3) their rear axles after the step, in the frame of their map's tables.
        how: what moves them, see `bodies`.
        policies: (E, A) their slots, -1 = none.
    """
    run_scripts(roads, state)
    choose_accelerations(roads, state)
    move_walkers(roads, state)
    replay_actors(state)
    move_policies(state, controls, poses, how, policies)
    move_drivers(roads, state)
    _look(roads, state)
    check_signs(roads, state)
    for e in range(state.step.shape[0]):
        state.step[e] += 1
    update_lights(state)


@njit(cache=True)
def settle_world(roads, state):  # type: ignore[no-untyped-def]
    """Fill what is found by looking (lanes, flags, lights) before the first step."""
    update_lights(state)
    _look(roads, state)
    check_signs(roads, state)


@njit(cache=True, inline="always")
def _look(roads, state):  # type: ignore[no-untyped-def]
    fetch_cells(roads, state)
    locate_actors(roads, state)
    check_actors(roads, state)
    follow_ways(state)
