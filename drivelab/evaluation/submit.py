"""From an agent, or plans that are there, to the leaderboard file of a NAVSIM split.

Everything that can be refused is refused before the first plan is asked for; the file is written
when every scene of the split has its plan, and read back before it stands there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivelab.data.navsim.source import NavsimSource
from drivelab.data.navsim.splits import SPLITS
from drivelab.data.proposals import read_plans, require_tokens
from drivelab.data.source import SceneSource
from drivelab.data.submission import Team, sampled_plan, write_submission
from drivelab.errors import ConfigError, DataError, PlanError
from drivelab.evaluation.agent_check import check_agent, check_wishes
from drivelab.evaluation.benches.navsim import NavsimBench
from drivelab.evaluation.benches.rendered import turned_on
from drivelab.evaluation.monitor import Monitor
from drivelab.evaluation.plan_scenes import PlannedScenes, plan_scenes
from drivelab.evaluation.proposals import privilege_of
from drivelab.registry import build
from drivelab.types import Agent, Privilege

_SHOWN = 3  # failed scenes named in a message
_VERSIONS = {"pdms": "v1.1", "epdms": "v2.2"}  # of the file, by the bench's metric


@dataclass(frozen=True, slots=True)
class SubmitSettings:
    """Nodes `agent` and `bench` are `{_target_: ..., option: value}`."""

    agent: Mapping[str, Any]
    bench: Mapping[str, Any]
    team: Team
    out: Path = Path("submission.pkl")
    seed: int = 0
    batch: int = 8  # observations per call of `Agent.act`
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Submission:
    """A file that was written and read back."""

    file: Path
    version: str  # v1.1 or v2.2
    scenes: int  # of the first stage, or of all where there is one
    second_stage: int
    label: str  # of the data
    data: str  # real or embedded


def submit(settings: SubmitSettings, monitor: Monitor) -> Submission:
    """Plan every scene of the split and write the file.

    Raises:
        ConfigError: what cannot be submitted: another bench, a part of a split, an agent that sees
            more than sensors.
        PlanError: scenes without a valid plan; no file is written.
    """
    settings.team.fields()
    _check_place(settings.out)
    bench: NavsimBench = _navsim_bench(settings.bench)
    agent = check_agent(build(settings.agent, device=settings.device, seed=settings.seed))
    seeing = turned_on(settings.bench, agent)
    source = _source(build(seeing) if seeing else bench)
    scenes = source.scene_ids()
    _check_split(source, bench, scenes)
    _check_privilege(agent)
    check_wishes(agent, source, scenes[0])
    planned = plan_scenes(agent, source, scenes, monitor, seed=settings.seed, batch=settings.batch)
    return _written(settings, planned, source, _VERSIONS[bench.metric.partition("_")[0]])


def _written(
    settings: SubmitSettings, planned: PlannedScenes, source: SceneSource, version: str
) -> Submission:
    scenes = source.scene_ids()
    _check_complete(planned, len(scenes))
    plans = {scene: sampled_plan(p.poses, p.dt) for scene, p in planned.plans.items()}
    later = _second_stage(source) if version == "v2.2" else frozenset()
    first = {scene: plans[scene] for scene in scenes if scene not in later}
    second = {scene: plans[scene] for scene in scenes if scene in later}
    write_submission(
        settings.out,
        first,
        settings.team,
        version=version,
        second_stage=second if version == "v2.2" else None,
    )
    require_tokens(read_plans(settings.out), scenes, file=settings.out)
    return Submission(settings.out, version, len(first), len(second), source.label, source.data)


def _check_place(out: Path) -> None:
    if out.name != "submission.pkl":
        raise ConfigError(
            f"out={out}: the leaderboard takes only files called submission.pkl; name a folder, "
            f"as in out={out.parent / out.stem / 'submission.pkl'}"
        )
    if out.exists():
        raise ConfigError(f"out={out}: is there already; move it away, or name another folder")
    if not out.parent.is_dir():
        raise ConfigError(f"out={out}: there is no folder {out.parent}; make it first")


def _navsim_bench(node: Mapping[str, Any]) -> NavsimBench:
    bench = build(node)
    if not isinstance(bench, NavsimBench):
        raise ConfigError(
            f"bench {type(bench).__name__} has no leaderboard: submit knows navsim and navsim_v2"
        )
    if bench.metric.partition("_")[0] not in _VERSIONS:
        raise ConfigError(
            f"bench.metric={bench.metric}: expected pdms_v1.1 for a file of NAVSIM v1.1 "
            "(bench=navsim) or epdms_v2.2 for one of v2.2 (bench=navsim_v2)"
        )
    return bench


def _source(bench: NavsimBench) -> SceneSource:
    source = bench.source()
    return source.unscored() if isinstance(source, NavsimSource) else source


def _check_split(source: SceneSource, bench: NavsimBench, scenes: Sequence[str]) -> None:
    """All scenes of the split, each once."""
    if len(set(scenes)) != len(scenes):
        twice = next(scene for scene in scenes if scenes.count(scene) > 1)
        raise DataError(f"scene {twice} occurs twice in {source.label}")
    official = SPLITS.get(bench.split_name(source))
    if official is None:
        if source.data == "partial":
            raise ConfigError(f"{source.label}: a submission needs every scene of its split")
        return
    wanted = (official.scenes or 0) + official.synthetic
    if len(scenes) != wanted:
        raise ConfigError(
            f"{source.label}: {len(scenes)} scenes, the split {official.name} has {wanted}. A "
            "submission needs all of them and no other: get the missing logs (`drivelab data "
            "verify`), and put the official split file under the data root"
        )


def _check_privilege(agent: Agent) -> None:
    """The leaderboard hands out sensors and ego status only, and refuses more."""
    seen = privilege_of(agent)
    if seen in (Privilege.STATE, Privilege.FUTURE):
        raise ConfigError(
            f"{type(agent).__name__} plans with privilege={seen} (map, boxes or the future), which "
            "the leaderboard does not allow; submit an agent that needs sensors and ego status "
            "only"
        )


def _second_stage(source: SceneSource) -> frozenset[str]:
    entries = getattr(source, "mapping", ())
    return frozenset(token for entry in entries for pair in entry.follow_ups for token in pair)


def _check_complete(planned: PlannedScenes, wanted: int) -> None:
    failures = planned.failures
    if failures:
        shown = "; ".join(f"{scene}: {failures[scene]}" for scene in list(failures)[:_SHOWN])
        raise PlanError(
            f"{len(failures)} of {wanted} scenes have no plan, so no file was written ({shown})"
        )
