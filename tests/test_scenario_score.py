"""The verdict on a scenario: scores that its text expects are computed, from the rollout alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drivelab.agents.constant_velocity import ConstantVelocity
from drivelab.data.rollout_log import load_rollout, save_rollout
from drivelab.errors import DataError
from drivelab.evaluation.reference_impact import with_reference
from drivelab.evaluation.scenario_drive import ScenarioDrive, drive_scenario
from drivelab.metrics.metric import SceneScore
from drivelab.sim.scenario.files import parse_scenario
from drivelab.sim.scenario.problems import ScenarioError
from drivelab.sim.scenario.score import ScenarioPass
from drivelab.sim.world.view import base_scene
from drivelab.types import Rollout

# The ego keeps 12 m/s and runs into a standing truck.
CRASH = """\
id: crash
map: straight_3lane
duration: 4
ego: {lane: 1, s: 20, speed: 12}
actors: [{id: wall, model: truck, lane: 1, s: 60, motion: parked}]
expect: {min_score: {SCORE}}
"""


def driven(score: str) -> ScenarioDrive:
    return drive_scenario(parse_scenario(CRASH.replace("SCORE", score)), ConstantVelocity())


def verdict(done: ScenarioDrive, rollout: Rollout | None = None) -> SceneScore:
    """As a bench judges: from the rollout, with what the score needs of the episode."""
    known = with_reference(ScenarioPass(), done.episode, rollout or done.rollout)
    return ScenarioPass().score(base_scene(done.episode), known)


@pytest.mark.parametrize(
    ("score", "passed"),
    [
        ("carla_ds_v1.0: 0.1", 1.0),
        ("carla_ds_v1.0: 99", 0.0),
        ("neuroncap_v1: 0", 1.0),  # hits as hard as one that does nothing: 0 stars
        ("neuroncap_v1: 0.5", 0.0),
        ("carla_ds_v1.0: 0.1, neuroncap_v1: 0.5", 0.0),
        ("nuplan_cls_nr_v1.2: 0", 0.0),  # no expert, so no such score: not met
    ],
)
def test_a_score_alone_decides_in_the_bench_as_in_the_verb(score: str, passed: float) -> None:
    done = driven(score)
    found = verdict(done)
    assert (found.score, done.passed) == (passed, bool(passed))
    count = score.count(":")
    assert found.subscores["expectations"] == sum(v.passed for v in done.verdicts) / count
    assert ("min_score." in found.details["missed"]) is not bool(passed)


def test_a_stored_rollout_is_judged_the_same(tmp_path: Path) -> None:
    done = driven("carla_ds_v1.0: 99")
    stored = load_rollout(save_rollout(done.rollout, tmp_path))
    assert verdict(done, stored).details == verdict(done).details


def test_a_stored_text_does_not_say_what_is_imported() -> None:
    done = driven("carla_ds_v1.0: 0.1")
    told = {"min_score": {"antigravity:fly": 0.0}}
    other = replace(done.rollout, info={**done.rollout.info, "expect": told})
    assert verdict(done, other).details["missed"] == "min_score.antigravity:fly: no score"
    broken = replace(done.rollout, info={**done.rollout.info, "expect": {"min_score": 3}})
    with pytest.raises(DataError, match="its expectations cannot be read"):
        verdict(done, broken)


def test_a_verdict_on_itself_is_refused() -> None:
    with pytest.raises(ScenarioError) as refused:
        parse_scenario(CRASH.replace("SCORE", "scenario_pass_v1: 1"), "f.yaml")
    assert refused.value.lines == (
        "f.yaml:6: $.expect.min_score.scenario_pass_v1: is the verdict on these very expectations; "
        "name another score",
    )
