"""Scripted behaviours that cannot be carried out, and ones that make no sense."""

from __future__ import annotations

import numpy as np
import pytest
from world_drives import CAR, Place, act, drive, states

from drivelab.errors import ConfigError
from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.arrays import State
from drivelab.sim.world.behaviours import check_behaviours
from drivelab.sim.world.episode import ActorSpec, Behaviour, Episode, Parked, Trigger
from drivelab.sim.world.native import NativeWorld

STREET = Place("two_way")  # one lane to either side, at 1.75 m from the middle
FAR_PATH = STREET.path(300.0, [-5.0, 5.0])


def run(episode: Episode, seconds: float) -> list[State]:
    return drive(NativeWorld([episode]), seconds)


@pytest.mark.parametrize(
    ("place", "spec"),
    [
        (STREET, STREET.car(60.0, act("cut_in", lanes=1.0))),  # no lane of that direction
        (STREET, STREET.car(60.0, act("cut_in", lanes=-1.0))),
        (STREET, STREET.car(60.0, act("run_red_light"))),  # no junction on this road
        (STREET, STREET.actor(STREET.pose(60.0), None, act("hard_brake"))),  # it is parked
        (STREET, STREET.actor(STREET.pose(60.0), None, act("u_turn"))),
        (STREET, STREET.car(60.0, act("reverse_out"))),
        (STREET, STREET.car(60.0, act("pull_away"))),
        (STREET, STREET.car(60.0, act("open_door"))),
        (STREET, STREET.actor(STREET.pose(60.0, -30.0), None, act("pull_away"))),  # no lane near
        (STREET, STREET.actor(STREET.pose(60.0), None, act("jaywalk", None, FAR_PATH))),
        (STREET, STREET.car(60.0, act("follow_path", None, FAR_PATH))),
        (STREET, STREET.car(60.0, act("overtake_oncoming", length=900.0))),  # the road ends before
        (STREET, STREET.car(60.0, act("overtake_oncoming"), speed=0.0)),  # no speed to keep
        (Place("lane_drop", "0"), Place("lane_drop", "0").car(60.0, act("u_turn", radius=4.0))),
    ],
)
def test_what_cannot_be_carried_out_says_so_and_harms_nobody(place: Place, spec: ActorSpec) -> None:
    still = ActorSpec(spec.id, spec.kind, spec.size, spec.pose, spec.speed, spec.motion)
    history = run(place.episode(spec), 2.0)
    assert states(history)[-1] == a.IMPOSSIBLE
    expected = run(place.episode(still), 2.0)[-1]
    for name in ("mode", "x", "y", "yaw", "speed", "lane", "wish", "shift_to", "obeys"):
        np.testing.assert_array_equal(getattr(history[-1], name), getattr(expected, name), name)


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (act("cutin"), "no kind 'cutin'; did you mean 'cut_in'"),
        (act("cut_in", lane=1.0), "no value 'lane'; did you mean 'lanes'"),
        (act("cut_in", lanes=0.5), "whole number"),
        (act("hard_brake", deceleration=-6.0), "deceleration is -6.0; expected 0.1 to 12 m/s^2"),
        (act("hard_brake", until=np.nan), "until is nan"),
        (act("jaywalk"), "needs a path"),
        (act("u_turn", None, FAR_PATH), "takes no path"),
        (act("follow_path", None, FAR_PATH[:1]), "two points"),
        (act("follow_path", None, FAR_PATH * np.nan), "not finite"),
        (act("u_turn", Trigger(time=-1.0)), "time is -1.0"),
        (act("u_turn", Trigger(gap_below=0.0)), "gap_below is 0.0"),
        (act("u_turn", Trigger(ego_within=(0.0, 0.0, 0.0))), "radius"),
        (act("u_turn", Trigger(after=0)), "after is 0"),
        (act("u_turn", Trigger(after=3)), "after is 3"),
    ],
)
def test_senseless_behaviours_are_refused(behaviour: Behaviour, said: str) -> None:
    actor = ActorSpec("x", "vehicle", CAR, np.zeros(3), 0.0, Parked(), (behaviour,))
    with pytest.raises(ConfigError, match="actor 'x', behaviour 0") as error:
        check_behaviours(actor)
    assert said in str(error.value)
