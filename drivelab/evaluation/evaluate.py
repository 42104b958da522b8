"""The evaluation loop: scenes -> plans -> rows -> summary, in a folder that can be resumed."""

from __future__ import annotations

import contextlib
import errno
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any

import yaml

from drivelab.data.source import SceneSource
from drivelab.errors import ConfigError, RunError, nearest_name
from drivelab.evaluation import fingerprint
from drivelab.evaluation.agent_check import check_agent, check_wishes
from drivelab.evaluation.benches.bench import Bench
from drivelab.evaluation.benches.rendered import turned_on
from drivelab.evaluation.controllers import AUTO, controller_for
from drivelab.evaluation.environment import describe_environment
from drivelab.evaluation.launchers.launcher import Launcher
from drivelab.evaluation.monitor import Monitor
from drivelab.evaluation.proposals import cameras_of, privilege_of
from drivelab.evaluation.row_table import write_rows
from drivelab.evaluation.run_folder import RunFolder, choose_folder, load_rollout, run_lock
from drivelab.evaluation.settings import EvalSettings
from drivelab.evaluation.summary import (
    SCHEMA,
    AnyMetric,
    Summary,
    metric_version,
    score_rows,
    write_summary,
)
from drivelab.evaluation.tasks import FAILED, OK, SKIPPED, WorkerSpec, cut_tasks
from drivelab.evaluation.workers import AnyWorker, make_worker
from drivelab.metrics.metric import Metric
from drivelab.registry import build
from drivelab.types import Agent


@dataclass(frozen=True, slots=True)
class RunResult:
    """What an evaluation leaves: its folder, its numbers, and whether it was interrupted."""

    folder: Path
    summary: Summary
    label: str  # of the data, as printed wherever a number is
    privilege: str  # what the agent saw besides its sensors
    bench: Mapping[str, Any]  # its options as they were for this agent
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class _Job:
    """Everything that is fixed before the first scene."""

    settings: EvalSettings
    source: SceneSource
    scenes: tuple[str, ...]
    spec: WorkerSpec
    worker: AnyWorker
    metric: AnyMetric  # the worker's, or around it what joins the stages of a split
    split: str
    data: str
    label: str
    provenance: Mapping[str, str]


def evaluate(settings: EvalSettings, monitor: Monitor) -> RunResult:
    """Run (or resume) one evaluation."""
    start = perf_counter()
    job = _prepare(settings)
    folder, resumed = _open_folder(job)
    if weights := getattr(job.worker.agent, "weights", ""):
        monitor.say(weights)
    with run_lock(folder.path):
        if not resumed:
            config = yaml.safe_dump(dict(job.settings.config), sort_keys=False)
            folder.create(config, _environment(job))
        retry = settings.run_dir is not None
        rows = folder.finished(job.scenes, retry_failed=retry)
        if resumed:
            monitor.say(f"resuming {folder.path}: {len(rows)} of {len(job.scenes)} scenes are done")
        with _told_when_full(folder):
            interrupted = _work(job, folder, rows, monitor)
            table = _finish(job, folder, rows, "interrupted" if interrupted else "lost")
            summary = _summarise(job, table, perf_counter() - start)
            write_rows(folder.rows, table, job.metric.subscores)
            write_summary(folder.summary, summary)
    seen = privilege_of(job.worker.agent)
    return RunResult(folder.path, summary, job.label, seen, job.settings.bench, interrupted)


def choose_scenes(
    ids: Sequence[str], wanted: Sequence[str] | None, limit: int | None
) -> tuple[str, ...]:
    """The scenes a run is about: all, the named ones, or the first n of either."""
    chosen = tuple(ids)
    if wanted is not None:
        known = set(ids)
        for scene in wanted:
            if scene not in known:
                raise ConfigError(
                    f"scenes: no scene {scene!r} in this bench{nearest_name(scene, ids)}"
                )
        asked = set(wanted)
        chosen = tuple(scene for scene in ids if scene in asked)
    if limit is not None:
        if limit < 1:
            raise ConfigError(f"limit={limit}: expected 1 or more")
        chosen = chosen[:limit]
    if not chosen:
        raise ConfigError("no scenes to evaluate: `scenes` is empty")
    return chosen


def _prepare(settings: EvalSettings) -> _Job:
    bench: Bench = build(settings.bench)
    source = bench.source()
    ids = source.scene_ids()
    scenes = choose_scenes(ids, settings.scenes, settings.limit)
    metric = settings.metric or bench.metric
    controller = str(getattr(bench, "controller", ""))
    spec = WorkerSpec(settings.agent, metric, source, settings.seed, settings.device, controller)
    worker = make_worker(spec)
    seeing = _suited(settings, check_agent(worker.agent))
    if seeing is not settings:
        settings, bench = seeing, build(seeing.bench)
        source, controller = bench.source(), str(getattr(bench, "controller", ""))
        spec, worker.source = replace(spec, source=source, controller=controller), source
    check_wishes(worker.agent, source, scenes[0])
    partial = len(scenes) < len(ids)
    label = f"{source.label}, partial: {len(scenes)} of {len(ids)} scenes"
    return _Job(
        settings,
        source,
        scenes,
        spec,
        worker,
        _joined(worker.metric, source),
        bench.split_name(source),
        "partial" if partial else source.data,
        label if partial else source.label,
        dict(source.provenance()),
    )


def _suited(settings: EvalSettings, agent: Agent) -> EvalSettings:
    """The same with what the bench leaves to the agent: sensors and controller that are `auto`."""
    asked = settings.bench
    bench = turned_on(asked, agent) or dict(asked)
    if asked.get("controller") == AUTO:
        bench["controller"] = controller_for(AUTO, agent)
    if bench == asked:
        return settings
    return replace(settings, bench=bench, config={**settings.config, "bench": bench})


def _joined(metric: AnyMetric, source: SceneSource) -> AnyMetric:
    """The metric of the whole run: two-stage splits join their scenes by their own rule."""
    entries = getattr(source, "mapping", ())
    if not entries:
        return metric
    if not isinstance(metric, Metric) or not metric.name.startswith("epdms"):
        raise ConfigError(
            f"{source.label} is a two-stage split, which {metric.name} cannot aggregate; "
            "use bench=navsim_v2"
        )
    from drivelab.metrics.navsim.epdms_two_stage import TwoStageEpdms

    return TwoStageEpdms(metric, entries)


def _learnt(job: _Job) -> dict[str, str]:
    """What else decides the plans of a network: other weights are another agent."""
    weights = getattr(job.worker.agent, "weights_sha256", None)
    if not weights:
        return {}
    return {
        "weights_sha256": weights,
        "device": job.settings.device,
        "torch": metadata.version("torch"),
    }


def _open_folder(job: _Job) -> tuple[RunFolder, bool]:
    settings = job.settings
    identity = fingerprint.identity(
        agent={**settings.agent, **_learnt(job)},
        bench=settings.bench,
        metric=job.metric.name,
        scenes=job.scenes,
        seed=settings.seed,
        batch=settings.batch,
        provenance=job.provenance,
    )
    # As it will be read back: tuples are lists in JSON.
    identity = json.loads(json.dumps(identity, default=str))
    parts = [f"{datetime.now():%Y-%m-%d_%H-%M-%S}", settings.verb, settings.agent_name]
    parts += [settings.bench_name, *([job.split] if job.source.data == "embedded" else [])]
    parts += ["partial"] if job.data == "partial" else []
    return choose_folder(settings.run_dir, settings.runs_root, "-".join(parts), identity)


def _environment(job: _Job) -> dict[str, Any]:
    settings, source = job.settings, job.source
    return {
        **describe_environment(settings.seed),
        "command": settings.command or shlex.join(["drivelab", settings.verb]),
        "agent": settings.agent_name,
        "weights": getattr(job.worker.agent, "weights", ""),
        "privilege": privilege_of(job.worker.agent),
        "cameras": list(cameras_of(job.worker.agent)),
        "bench": settings.bench_name,
        "scenes": list(job.scenes),
        "data": {
            "label": job.label,
            "kind": job.data,
            "licence": source.licence,
            "provenance": job.provenance,
        },
    }


def _work(job: _Job, folder: RunFolder, rows: dict[str, dict[str, Any]], monitor: Monitor) -> bool:
    """Evaluate what is missing, keeping every batch as it comes; True when interrupted."""
    launcher: Launcher = build(job.settings.launcher, workers=job.settings.workers)
    tasks = [
        task
        for task in cut_tasks(job.scenes, job.settings.batch)
        if any(scene not in rows for scene in task.scenes)
    ]
    if not tasks:
        return False
    monitor.start(len(job.scenes), len(rows))
    try:
        with contextlib.closing(launcher.run(job.spec, tasks, job.worker)) as stream:
            for outcomes in stream:
                fresh = [o for o in outcomes if o.scene not in rows]
                rows.update(folder.record(fresh))
                failed = sum(o.row["status"] == FAILED for o in fresh)
                monitor.advance(len(fresh), failed)
    except KeyboardInterrupt:
        return True
    finally:
        monitor.stop()
    return False


def _finish(
    job: _Job, folder: RunFolder, rows: Mapping[str, dict[str, Any]], why_missing: str
) -> list[dict[str, Any]]:
    """One row per expected scene, in scene order, after what needs several scenes."""
    metric = job.metric
    done = [dict(rows[s]) for s in job.scenes if s in rows and rows[s]["status"] == OK]
    finished = metric.finish(done, lambda scene: load_rollout(folder.rollout(scene))["states"])
    by_scene = {row["scene"]: row for row in finished}
    error = f"not evaluated: the run was {why_missing}"
    table = []
    for scene in job.scenes:
        row = by_scene.get(scene) or rows.get(scene)
        table.append(row or {"scene": scene, "status": SKIPPED, "error": error})
    return table


def _summarise(job: _Job, table: Sequence[Mapping[str, Any]], wall: float) -> Summary:
    settings, metric = job.settings, job.metric
    scores = score_rows(table, metric, settings.seed)
    return Summary(
        schema=SCHEMA,
        agent=settings.agent_name,
        bench=settings.bench_name,
        split=job.split,
        scene_set_sha256=fingerprint.scene_set_hash(job.scenes),
        data=job.data,
        metric=metric.name,
        metric_version=metric_version(metric.name),
        n_expected=len(job.scenes),
        n_done=scores.n_done,
        n_failed=scores.n_failed,
        final=scores.n_done == len(job.scenes),
        score=scores.score,
        score_ci95=scores.score_ci95,
        score_failed_as_zero=scores.score_failed_as_zero,
        subscores=scores.subscores,
        seed=settings.seed,
        wall_s=round(wall, 3),
        versions={**fingerprint.versions(), **job.provenance},
    )


@contextlib.contextmanager
def _told_when_full(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise RunError(
            f"{folder.path}: the disk is full ({error.strerror}). Finished rows are kept: free "
            "some space and run the same command again to resume"
        ) from error
