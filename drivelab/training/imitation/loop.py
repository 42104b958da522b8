"""The loop: batches, updates, looks, checkpoints; interrupted at any moment, it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from time import monotonic
from typing import Any

import torch

from drivelab.agents.learned.checkpoint import save_network
from drivelab.agents.learned.trainee import Trainee
from drivelab.errors import RunError
from drivelab.training.checkpoint import load_facts
from drivelab.training.feature_cache import told_failures
from drivelab.training.imitation.allocation import keep_memory
from drivelab.training.imitation.curves import EVERY, Curves, open_curves
from drivelab.training.imitation.judge import Judge, Look
from drivelab.training.imitation.learner import Learner
from drivelab.training.imitation.lesson import Lesson, batches
from drivelab.training.imitation.settings import ImitationSettings, Say
from drivelab.training.imitation.vocabulary import recorded_drives
from drivelab.training.run_folder import CHECKPOINT, add_progress, keep_progress
from drivelab.training.together import Share, of_the_first

BEST = "best.safetensors"  # the mean of the weights at the best look: what agents load
SHOWN = ("loss", "trajectory_loss", "rate", "gradient")  # of an update, in a line of progress
EVERY_LINE = 20.0  # seconds between two lines of progress within an epoch


@dataclass(slots=True)
class Progress:
    """Where a run stands; everything of it is in the checkpoint.

    Attributes:
        epoch: it is in.
        batch: next one of the epoch.
        seconds: of learning so far.
        best: PDMS of the best look; -1 before the first.
        since: looks since that one.
    """

    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    best: float = -1.0
    since: int = 0

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class _Run:
    """One call of `imitate`."""

    learner: Learner
    lesson: Lesson
    settings: ImitationSettings
    say: Say
    share: Share
    progress: Progress
    judge: Judge | None = None
    curves: Curves | None = None
    elapsed: float = 0.0  # of this call, looks included [s]
    began: float = field(default_factory=monotonic)
    saved: float = field(default_factory=monotonic)
    told: float = field(default_factory=monotonic)

    @property
    def first(self) -> bool:
        """Whether this worker looks, logs and saves."""
        return self.share.first


def imitate(
    trainee: Trainee, lesson: Lesson, settings: ImitationSettings, say: Say,
    share: Share | None = None,
) -> Progress:  # fmt: skip
    """Teach a network until its epochs are over, or nothing gets better, or time is up.

    Args:
        trainee: the network.
        lesson: its scenes, all of them cached or to be built when they are met.
        settings: rates and limits.
        say: is told the progress.
        share: of each batch; everything by default.

    Returns:
        Where it ended; the weights lie in the run's folder, the best ones in `best.safetensors`.
    """
    settings.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    keep_memory()
    per_epoch = lesson.updates(settings.batch * settings.accumulate)
    share = share or Share()
    if trainee.learn_vocabulary is not None and load_facts(settings.folder / CHECKPOINT) is None:
        trainee.learn_vocabulary(recorded_drives(lesson.train, lesson.train_ids))
    learner = Learner(trainee, settings, settings.epochs * per_epoch, rank=share.rank)
    progress = _resume(learner, lesson, settings, say)
    if share.first:
        keep_progress(settings.folder, learner.updates, epoch=progress.epoch)
    run = _Run(learner, lesson, settings, say, share, progress)
    run.curves = open_curves(settings.curves, settings.folder) if run.first else None
    while not _over(run):
        _epoch(run, per_epoch)
    if run.first:
        _save(run)
    return run.progress


def _resume(learner: Learner, lesson: Lesson, settings: ImitationSettings, say: Say) -> Progress:
    facts = load_facts(settings.folder / CHECKPOINT)
    if facts is None:
        return Progress()
    if facts["scenes"] != lesson.digest:
        raise RunError(
            f"{settings.folder}: begun with other scenes than there are now (some cannot be built "
            "any more, or the data changed), so it cannot go on as it was; choose another run.dir, "
            f"perhaps with agent.checkpoint={settings.folder / BEST}"
        )
    learner.load(settings.folder / CHECKPOINT, facts)
    progress = Progress(**{name: facts[name] for name in Progress.__slots__})
    say(f"resuming in epoch {progress.epoch + 1}, after update {learner.updates}")
    return progress


def _over(run: _Run) -> bool:
    settings, progress = run.settings, run.progress
    if settings.patience is not None and progress.since >= settings.patience:
        return True
    return progress.epoch >= settings.epochs or _time_is_up(run)


def _time_is_up(run: _Run) -> bool:
    limit = run.settings.minutes
    return limit is not None and run.elapsed > 60.0 * limit


def _epoch(run: _Run, per_epoch: int) -> None:
    settings, progress = run.settings, run.progress
    stream = batches(
        run.lesson, seed=settings.seed, epoch=progress.epoch, batch=settings.batch,
        first=progress.batch * settings.accumulate, loaders=settings.loaders, share=run.share,
    )  # fmt: skip
    clock, losses = monotonic(), {}  # none where a run goes on before a look
    while progress.batch < per_epoch:
        losses = run.learner.update(list(islice(stream, settings.accumulate)))
        progress.batch += 1
        progress.seconds, run.elapsed = of_the_first(
            progress.seconds + monotonic() - clock, monotonic() - run.began
        )
        clock = monotonic()
        if run.first:
            _note(run, losses, per_epoch)
        if _time_is_up(run):
            return
    progress.epoch, progress.batch = progress.epoch + 1, 0
    last = progress.epoch == settings.epochs
    if last or progress.epoch % settings.look_every == 0:
        if run.first:
            _look(run, losses)
        progress.best, since = of_the_first(progress.best, progress.since)
        progress.since = int(since)


def _note(run: _Run, losses: dict[str, float], per_epoch: int) -> None:
    now, progress = monotonic(), run.progress
    if run.curves is not None and run.learner.updates % EVERY == 0:
        run.curves.add(run.learner.updates, {f"train/{k}": v for k, v in losses.items()})
    if now - run.told >= EVERY_LINE:
        run.told = now
        shown = "  ".join(f"{name} {losses[name]:.4g}" for name in SHOWN if name in losses)
        run.say(
            f"{progress.seconds / 60:6.1f} min  epoch {progress.epoch + 1}, "
            f"{progress.batch} of {per_epoch}  {shown}"
        )
    if now - run.saved >= run.settings.save_every:
        _save(run)


def _look(run: _Run, losses: dict[str, float]) -> None:
    """Try the mean of the weights on the validation scenes, log, keep the best, save."""
    settings, progress = run.settings, run.progress
    trainee = run.learner.trainee
    if run.judge is None:
        run.judge = Judge(run.lesson, run.lesson.options.dt)
        for line in told_failures(run.judge.failed):
            run.say(line)
    look = run.judge.try_out(run.learner.mean.module, trainee.inputs, settings.device)
    better = look.pdms > progress.best
    progress.since = 0 if better else progress.since + 1
    progress.best = max(progress.best, look.pdms)
    if better:
        _keep(run, look)
    found = {"pdms": look.pdms, "distance": look.distance, **look.subscores}
    row = {**progress.facts(), "updates": run.learner.updates, **losses, "validation": found}
    row["validation_scenes"] = look.scenes
    add_progress(settings.folder, row)
    if run.curves is not None:
        run.curves.add(run.learner.updates, {f"validation/{k}": v for k, v in found.items()})
    run.say(
        f"{progress.seconds / 60:6.1f} min  epoch {progress.epoch} of {settings.epochs}  loss "
        f"{losses.get('loss', float('nan')):.4g}  validation PDMS {look.pdms:.4f}, "
        f"{look.distance:.3f} m"
        f"{'  (best)' if better else ''}"
    )
    _save(run)


def _keep(run: _Run, look: Look) -> None:
    trainee, settings = run.learner.trainee, run.settings
    notes = {
        "preset": trainee.preset, "seed": str(settings.seed),
        "epoch": str(run.progress.epoch), "validation_pdms": f"{look.pdms:.6f}",
    }  # fmt: skip
    save_network(run.learner.mean.module, settings.folder / BEST, notes=notes)


def _save(run: _Run) -> None:
    facts = {**run.progress.facts(), "scenes": run.lesson.digest}
    run.learner.save(run.settings.folder / CHECKPOINT, facts)
    run.saved = monotonic()
