"""Scripted behaviours; as `drivelab.kernels.world.scripts`, one function per kind."""

from __future__ import annotations

import numpy as np

from drivelab.kernels.world import scripts as kinds
from drivelab.kernels.world.arrays import ABSENT, RUNNING, WAITING, Roads, State
from drivelab.kernels.world.script_rules import BEFORE, OTHER
from drivelab.sim.world.reference.act import Act
from drivelab.sim.world.reference.script_begins import BEGIN
from drivelab.sim.world.reference.script_progress import CARRY_ON, walk_on
from drivelab.sim.world.reference.triggers import trigger_holds


def run_scripts(roads: Roads, state: State) -> None:
    """Begin the behaviours whose triggers hold, carry on those that run."""
    for e in range(len(state.step)):
        for n in range(1, state.count[e]):
            for k in np.flatnonzero(state.script[e, n] >= 0):
                act = Act(roads, state, e, n, int(k))
                before = int(state.script_state[e, n, k])
                if before in (WAITING, RUNNING) and state.mode[e, n] != ABSENT:
                    state.script_state[e, n, k] = _step(act, before)


def _step(act: Act, status: int) -> int:
    entering = False
    if status == WAITING and trigger_holds(act):
        act.get("script_step")[act.k] = act.state.step[act.e]
        act.memory[:] = 0.0
        act.memory[BEFORE], act.memory[OTHER] = act.get("driver")[2], np.nan
        status = BEGIN[act.kind](act)
        entering = act.kind == kinds.CUT_IN
    if status == RUNNING and not entering:
        status = CARRY_ON.get(act.kind, walk_on)(act)
    return status
