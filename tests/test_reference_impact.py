"""NeuroNCAP's reference speed: whom it counts, and that only who asks for it pays for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drivelab.agents.constant_velocity import ConstantVelocity
from drivelab.evaluation.closed_loop import drive
from drivelab.evaluation.reference_impact import reference_impact, with_reference
from drivelab.evaluation.scenario_drive import rollout_scores
from drivelab.metrics.closed_loop.neuroncap import NeuroNcap
from drivelab.metrics.metric_names import find_metric
from drivelab.sim.envs.families import family_episode
from drivelab.sim.world.episode import ActorSpec, Episode, Termination, Walk

SPEED = 10.0  # of the ego [m/s]


def actor(kind: str, ahead: float, speed: float = 0.0, name: str = "") -> ActorSpec:
    """Somebody on the ego's way, so many metres ahead, who goes on along it at a speed."""
    line = np.asarray(BASE.route_line, float)
    start = np.array([*(line[0, :2] + ahead * EAST), line[0, 2]])
    path = np.stack([start, start + np.array([*(200.0 * EAST), 0.0])])
    size = (4.5, 1.8) if kind == "vehicle" else (1.8, 0.6)
    return ActorSpec(name or f"{kind}-{ahead:g}", kind, size, start, speed, Walk(path, speed))


def on_the_way(*actors: ActorSpec) -> Episode:
    return replace(
        BASE, actors=actors, ego_speed=SPEED, duration=8.0, termination=Termination(collision=False)
    )


BASE = family_episode("straight", 0)
EAST = np.array([np.cos(BASE.route_line[0, 2]), np.sin(BASE.route_line[0, 2])])
CAR = actor("vehicle", 50.0, 4.0)


@pytest.mark.parametrize("kind", ["pedestrian", "traffic_cone", "barrier", "generic_object"])
def test_only_vehicles_and_bicycles_are_hit(kind: str) -> None:
    """The car drives on at 4 m/s, the ego keeps 10 m/s: 6 m/s, whoever was run over before."""
    assert reference_impact(on_the_way(CAR)) == pytest.approx(6.0, abs=0.01)
    assert reference_impact(on_the_way(actor(kind, 25.0, 1.0), CAR)) == pytest.approx(6.0, abs=0.01)
    assert reference_impact(on_the_way(actor(kind, 25.0, 1.0))) == SPEED


def test_a_bicycle_counts_and_the_first_one_hit_does() -> None:
    rider = actor("bicycle", 30.0, 3.0)
    assert reference_impact(on_the_way(CAR, rider)) == pytest.approx(7.0, abs=0.01)


def test_nothing_is_simulated_for_scores_that_do_not_ask() -> None:
    episode = replace(on_the_way(CAR), duration=0.5)
    rollout = drive(episode, ConstantVelocity())
    assert "v_ref" not in rollout.info
    assert with_reference(find_metric("rad9_v2"), episode, rollout) is rollout


def test_the_score_brings_its_reference_to_any_rollout() -> None:
    episode = on_the_way(CAR)
    rollout = drive(episode, ConstantVelocity())
    known = with_reference(NeuroNcap(), episode, rollout)
    assert known.info["v_ref"] == reference_impact(episode)
    assert with_reference(NeuroNcap(), episode, known) is known
    # The ego kept its speed: it hit as hard as one that does nothing, 4 (1 - 6 / 6).
    scores = rollout_scores(episode, rollout, ("neuroncap_v1",))
    assert scores["neuroncap_v1"] == pytest.approx(0.0, abs=0.02)


def test_what_the_episode_says_comes_first() -> None:
    episode = replace(on_the_way(CAR), info={"v_ref": 12.0})
    rollout = drive(episode, ConstantVelocity())
    stored = replace(rollout, info={k: v for k, v in rollout.info.items() if k != "v_ref"})
    assert with_reference(NeuroNcap(), episode, stored).info["v_ref"] == 12.0
