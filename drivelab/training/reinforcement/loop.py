"""The loop: rounds, looks at held-out clips, checkpoints; interrupted at any moment, it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from drivelab.errors import ConfigError
from drivelab.sim.envs.actions import ActionKind
from drivelab.sim.envs.core import EnvCore, EnvOptions
from drivelab.sim.envs.vector_view import VectorView
from drivelab.training.imitation.curves import Curves, open_curves
from drivelab.training.reinforcement.checkpoints import (
    resume_learner,
    save_learner,
)
from drivelab.training.reinforcement.expert import drive_experts, read_experts
from drivelab.training.reinforcement.judge import Look, at_rest, judge_clips
from drivelab.training.reinforcement.learner import Learner
from drivelab.training.reinforcement.objective import RlObjective
from drivelab.training.reinforcement.pupil import Pupil, rad_pupil
from drivelab.training.reinforcement.settings import ReinforcementSettings, Say
from drivelab.training.rollouts.clips import DrivenClips
from drivelab.training.rollouts.fleet import Fleet, LocalFleet
from drivelab.training.rollouts.worker import RolloutWorker
from drivelab.training.run_folder import add_progress, keep_progress
from drivelab.training.together import Share, of_the_first

if TYPE_CHECKING:
    from drivelab.training.rollouts.seen import Seen

BEST = "best.safetensors"  # the weights of the best look
IMITATION = "imitation.safetensors"  # those that the pre-training ended with
FAILURES = 4  # clips of a look that are shown whole
TOLD = 3  # clips of a round whose dropping is told one by one


Show = Callable[[int, Look], None]  # is shown every look, with the rounds done


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What is driven.

    Attributes:
        env: with the policy's actions; its source makes clip k of the split from the seed k.
        size: clips of that split.
        steps: decisions of the longest one.
        seen: through which sensors; None: policies see numbers.
    """

    env: EnvOptions
    size: int
    steps: int
    seen: Seen | None = None

    def with_action(self, action: ActionKind | str) -> Course:
        """The same clips, driven by other actions."""
        return replace(self, env=replace(self.env, action=action))

    def core(self, environments: int) -> EnvCore:
        """Worlds of their own, seen as numbers or through cameras."""
        if self.seen is not None:
            return self.seen.core(self.env, environments)
        return EnvCore(self.env, environments=environments, view=VectorView())

    def held_out(self, count: int) -> range:
        """Seeds of the clips that are looked at."""
        return range(self.size - count, self.size)

    def check(self, settings: ReinforcementSettings) -> None:
        """Refuse to learn from clips that are held out.

        Raises:
            ConfigError: there are not enough clips for both.
        """
        if settings.clips + settings.validation > self.size:
            raise ConfigError(
                f"clips={settings.clips} and validation={settings.validation}: the training split "
                f"has {self.size} clips, and no clip is for both"
            )


@dataclass(slots=True)
class Progress:
    """Where a run stands beside its learner; in the checkpoint, too.

    Attributes:
        seconds: of learning so far, looks left out.
        best: score of the best look; -1 before the first.
        best_round: rounds done at that one.
        rounds: done so far.
    """

    seconds: float = 0.0
    best: float = -1.0
    best_round: int = 0
    rounds: int = 0

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class _Run:
    """One call of `learn`."""

    learner: Learner
    course: Course
    pupil: Pupil
    settings: ReinforcementSettings
    say: Say
    progress: Progress
    cluster: Mapping[str, Any] | None
    show: Show | None = None
    curves: Curves | None = None
    fleet: Fleet | None = None
    expert: DrivenClips | None = None
    began: float = field(default_factory=monotonic)

    @property
    def late(self) -> bool:
        """Whether the time of this call is up; a round is always done."""
        limit = self.settings.minutes
        return limit is not None and monotonic() - self.began > 60.0 * limit


def learn(
    network: nn.Module,
    course: Course,
    *,
    settings: ReinforcementSettings,
    pupil: Pupil | None = None,
    objective: RlObjective | None = None,
    cluster: Mapping[str, Any] | None = None,
    say: Say = print,
    show: Show | None = None,
    share: Share | None = None,
) -> Progress:
    """Teach a network until its rounds are over or time is up.

    Args:
        network: with the weights to begin with.
        course: what is driven.
        settings: sizes, rates and limits.
        pupil: the kind of the policy; None: RAD.
        objective: of reinforcement.
        cluster: see `make_fleet`.
        say: is told the progress.
        show: is shown every look, with the first clips that went wrong.
        share: of every batch, of one learner of several; the first one drives, looks and saves.

    Returns:
        Where it ended. The run's folder has `progress.jsonl`, the checkpoint, the best weights and
        those that the pre-training ended with.
    """
    course.check(settings)
    settings.check_alone() if cluster is None else settings.check_cluster()
    settings.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    pupil = pupil or rad_pupil()
    share = share or Share()
    learner = Learner(
        network, pupil.valid, settings=settings, objective=objective, imitation=pupil.imitation,
        share=share,
    )  # fmt: skip
    facts = resume_learner(learner, settings.folder)
    progress = Progress()
    if facts is not None:
        progress = Progress(**{name: facts[name] for name in Progress.__slots__})
        say(f"resuming at round {learner.counts.round}, update {learner.counts.updates}")
    if share.first:
        keep_progress(settings.folder, learner.counts.updates)
    curves = open_curves(settings.curves, settings.folder) if share.first else None
    run = _Run(learner, course, pupil, settings, say, progress, cluster, show, curves)
    try:
        while progress.rounds < settings.total:
            _round(run)
            if of_the_first(run.late)[0]:
                break
    finally:
        if run.fleet is not None:
            run.fleet.close()
    if share.first:
        _save(run)
    return progress


def _round(run: _Run) -> None:
    learner, settings = run.learner, run.settings
    number = learner.counts.round
    imitates = settings.imitates(number)
    if imitates:
        run.expert = run.expert or _expert_clips(run)
    clock = monotonic()
    learner.begin_round()
    if imitates:
        assert run.expert is not None
        told = learner.imitate(run.expert)
    else:
        told = _drive(run) if learner.share.first else {}
        learner.take_clips()
        told |= learner.reinforce()
    run.progress.seconds += monotonic() - clock
    run.progress.rounds = number + 1
    if learner.share.first:
        _record(run, told, "imitation" if imitates else "reinforcement")


def _drive(run: _Run) -> dict[str, float]:
    run.fleet = run.fleet or make_fleet(
        run.learner, course=run.course, cluster=run.cluster, pupil=run.pupil
    )
    told = run.learner.drive(run.fleet)
    for clip in run.learner.dropped[:TOLD]:
        run.say(f"clip {clip.seed} is dropped: {clip.reason}")
    if (more := len(run.learner.dropped) - TOLD) > 0:
        run.say(f"{more} more are dropped in this round")
    return told


def _record(run: _Run, told: Mapping[str, float], kind: str) -> None:
    """Look, tell and save, each after as many rounds as the settings say."""
    settings, done = run.settings, run.progress.rounds
    last_of_kind = done in (settings.pretraining, settings.total)
    row: dict[str, Any] = {
        **_counts_of(run), "kind": kind,
        "seconds": round(run.progress.seconds, 2), **told,
    }  # fmt: skip
    if last_of_kind or done % settings.look_every == 0:
        row["validation"] = _look(run)
        _tell(run, row)
    add_progress(settings.folder, row)
    _plot(run, row)
    if done == settings.pretraining:
        _keep(run, IMITATION)
    if last_of_kind or done % settings.save_every == 0:
        _save(run)


def _counts_of(run: _Run) -> dict[str, int]:
    counts = run.learner.counts
    return {
        "round": counts.round, "updates": counts.updates, "clips": counts.clips,
        "dropped": counts.dropped, "decisions": counts.decisions,
    }  # fmt: skip


def _look(run: _Run) -> dict[str, float]:
    """Try the policy on the held-out clips, and keep it if it is the best so far."""
    learner, progress = run.learner, run.progress
    with torch.inference_mode(), at_rest(learner.network):
        look = judge_clips(
            run.pupil.act(learner.network), run.course.env,
            run.course.held_out(run.settings.validation), failures=FAILURES,
            seen=run.course.seen,
        )  # fmt: skip
    if run.show is not None:
        run.show(run.progress.rounds, look)
    if look.score >= progress.best:  # of equal ones the latest has learnt most
        progress.best, progress.best_round = look.score, learner.counts.round
        _keep(run, BEST)
    return {"score": look.score, **look.metrics}


def _plot(run: _Run, row: Mapping[str, Any]) -> None:
    """The numbers of a round as points of curves, those of its look under `validation/`."""
    if run.curves is None:
        return
    looked = {f"validation/{name}": value for name, value in row.get("validation", {}).items()}
    plain = {
        f"{row['kind']}/{name}": float(value)
        for name, value in row.items()
        if isinstance(value, int | float) and name not in ("round", "updates")
    }
    run.curves.add(row["round"], {**plain, **looked})


def _tell(run: _Run, row: Mapping[str, Any]) -> None:
    found = row["validation"]
    loss = row.get("loss", float("nan"))
    run.say(
        f"{run.progress.seconds / 60:6.1f} min  round {row['round']} of {run.settings.total} "
        f"({row['kind']})  loss {loss:.4g}  held-out clips without an event {found['score']:.2f}  "
        f"CR {found['collision_ratio']:.3f}  DR {found['deviation_ratio']:.3f}  "
        f"ADD {found['average_deviation_distance']:.3f} m"
    )


def make_fleet(
    learner: Learner,
    *,
    course: Course,
    cluster: Mapping[str, Any] | None,
    pupil: Pupil | None = None,
) -> Fleet:
    """Who drives for a learner.

    Args:
        learner: whose network drives.
        course: what is driven.
        cluster: see `ray_fleet.Cluster`, without the number of actors; None: this process drives.
        pupil: the kind of its policy; None: RAD.

    Raises:
        MissingExtra: Ray is not installed.
    """
    settings, make = learner.settings, (pupil or rad_pupil()).make
    make_network = partial(make, learner.network.config)
    make_worker = partial(_worker, course, settings.environments, make_network, learner.valid)
    if cluster is None:
        return LocalFleet(make_worker, settings.environments)
    from drivelab.training.rollouts.ray_fleet import Cluster, RayFleet

    return RayFleet(make_worker, settings.environments, Cluster(settings.workers, **cluster))


def _worker(
    course: Course, environments: int, make_network: Callable[[], nn.Module], valid: Tensor | None
) -> RolloutWorker:
    """A worker, made where it drives."""
    make_core = partial(course.core, environments)
    return RolloutWorker(make_core, make_network(), valid, steps=course.steps)


def _expert_clips(run: _Run) -> DrivenClips:
    """Driven by the first learner, read by all."""
    if run.learner.share.first:
        drive_experts(run.course, run.pupil, run.settings, run.say)
    of_the_first(0.0)  # the others wait until they are there
    return read_experts(run.course, run.settings.folder)


def _keep(run: _Run, name: str) -> None:
    notes = {"seed": str(run.settings.seed), "round": str(run.learner.counts.round)}
    run.pupil.save(run.learner.network, run.settings.folder / name, notes=notes)


def _save(run: _Run) -> None:
    save_learner(run.learner, run.settings.folder, run.progress.facts())
