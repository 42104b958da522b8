"""The scenario library: every text is sound, no two are alike, and they tell drivers apart."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from drivelab.agents.constant_velocity import ConstantVelocity
from drivelab.agents.pdm_closed import PdmClosed
from drivelab.evaluation.closed_loop import drive_all
from drivelab.sim.scenario.acts import act_name
from drivelab.sim.scenario.expect import judge
from drivelab.sim.scenario.files import (
    ScenarioFile,
    check_scenario,
    families,
    library,
    load_scenario,
)
from drivelab.sim.scenario.map_choice import TemplateMap
from drivelab.sim.scenario.templates import TEMPLATES
from drivelab.sim.scenario.templates.catalogue import resolve
from drivelab.types import Agent, Rollout

NAMES = sorted(library())
FEWEST = 40  # scenarios
BLIND_FAILS = 30  # scenarios that constant_velocity fails at least
CAREFUL_PASSES = 0.9  # share of all drives in which the privileged planner passes at least
SEEDS = 10


def template(source: ScenarioFile) -> str:
    choice = source.scenario.map
    assert isinstance(choice, str | TemplateMap)
    return resolve(choice if isinstance(choice, str) else choice.template)[0].name


def driven(
    sources: Sequence[ScenarioFile], agent: Agent, seed: int
) -> Iterator[tuple[bool, Rollout]]:
    """Drive scenarios side by side: whether each passed, and its rollout."""
    episodes = [source.episode(seed) for source in sources]
    for source, episode, one in zip(sources, episodes, drive_all(episodes, agent), strict=True):
        assert one.fault is None, f"{source.scenario.id}: {one.fault!r}"
        rollout = one.rollout()
        verdicts = judge(source.scenario.expect, rollout, episode.vehicle)
        yield all(verdict.passed for verdict in verdicts), rollout


@pytest.mark.parametrize("name", NAMES)
def test_text_is_sound_and_complete(name: str) -> None:
    source = load_scenario(name)
    scenario = source.scenario
    assert check_scenario(source, seeds=3) == []
    assert scenario.id == name
    assert scenario.family == library()[name].parent.name
    assert scenario.purpose.endswith(".")
    assert scenario.purpose.count(". ") == 0, "one sentence"
    assert scenario.vary
    assert scenario.expect.no_collision or scenario.expect.no_at_fault_collision
    assert scenario.expect.min_progress or scenario.expect.reaches_goal


def test_families_are_those_of_the_documentation() -> None:
    counts = {family: len(names) for family, names in families().items()}
    assert set(counts) == {"daily", "precrash", "euroncap", "dense"}
    assert min(counts.values()) >= 8
    assert sum(counts.values()) >= FEWEST


def test_no_two_scenarios_share_map_template_and_behaviours() -> None:
    seen = Counter()
    for name in NAMES:
        source = load_scenario(name)
        acts = {act_name(act) for actor in source.scenario.actors for act in actor.acts}
        seen[template(source), frozenset(acts)] += 1
    assert [twice for twice, count in seen.items() if count > 1] == []


@pytest.mark.parametrize("name", NAMES[::8])
def test_scenarios_differ_by_seed_and_repeat_by_seed(name: str) -> None:
    source = load_scenario(name)
    first, again, other = (source.episode(seed) for seed in (0, 0, 1))
    assert first.info["drawn"] == again.info["drawn"] != other.info["drawn"]


@pytest.mark.parametrize(
    "names", [NAMES[::6], pytest.param(NAMES, marks=pytest.mark.slow)], ids=len
)
def test_a_blind_driver_fails_and_every_behaviour_can_be_carried_out(names: list[str]) -> None:
    failed = 0
    sources = [load_scenario(name) for name in names]
    for name, (passed, rollout) in zip(names, driven(sources, ConstantVelocity(), 0), strict=True):
        failed += not passed
        impossible = [e for e in rollout.events if e["kind"] == "behaviour_impossible"]
        assert not impossible, name
    assert failed / len(names) >= BLIND_FAILS / len(NAMES)


@pytest.mark.slow
def test_a_careful_planner_passes_over_ten_seeds() -> None:
    passes: Counter[str] = Counter()
    sources = [load_scenario(name) for name in NAMES]
    for seed in range(SEEDS):
        for name, (passed, _) in zip(NAMES, driven(sources, PdmClosed(), seed), strict=True):
            passes[name] += passed
    assert passes.total() >= CAREFUL_PASSES * SEEDS * len(NAMES), passes


def test_the_documentation_lists_every_scenario_and_template() -> None:
    page = (Path(__file__).parents[1] / "docs" / "scenario_library.md").read_text("utf-8")
    assert [name for name in NAMES if f"| `{name}` |" not in page] == []
    assert [name for name in TEMPLATES if f"### {name}\n" not in page] == []
