"""Features and targets of scenes, built once: looked up by what they are made from.

A scene's key is the digest of its id, its source's provenance, the builders' version and options,
the rig down to every number, and the weather. Nothing has to be thrown away when one of them
changes, and two runs that share them share the work. `FeatureCache.fill` builds ahead with several
processes; `load` builds what is missing when it is asked for.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from time import perf_counter

import numpy as np

from drivelab.agents.features import (
    FULL,
    VERSION,
    FeatureOptions,
    compact_features,
    rig_of,
    targets_of,
)
from drivelab.data.array_store import ArrayStore, digest_of
from drivelab.data.observation import build_observation
from drivelab.data.source import SceneSource
from drivelab.errors import DrivelabError, RunError
from drivelab.sim.sensors.kept import VERSION as PICTURES
from drivelab.sim.sensors.near import with_rendered_sensors
from drivelab.sim.sensors.rendering import Rendering
from drivelab.sim.sensors.stage import stage_rig

PROBES = 3  # scenes built to estimate time and size
EVERY = 5.0  # seconds between two lines of progress
SHOWN = 5  # scenes that are left out, by name
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What features are made from.

    Attributes:
        source: of the scenes.
        options: of the builders.
        rendering: of scenes that have no sensors of their own; None renders nothing.
        targets: build what is taught, too.
    """

    source: SceneSource
    options: FeatureOptions = FULL
    rendering: Rendering | None = None
    targets: bool = True

    def identity(self) -> dict[str, object]:
        """Everything but the scene that decides the arrays."""
        rig = stage_rig(self.rendering) if self.rendering else None
        return {
            "version": VERSION, "provenance": dict(self.source.provenance()),
            "options": self.options, "rendering": self.rendering, "rig": rig,
            "targets": self.targets, "pictures": PICTURES,
        }  # fmt: skip

    def build(self, scene_id: str) -> dict[str, np.ndarray]:
        """The arrays of one scene, pictures and histograms as bytes (`features.expand`).

        Raises:
            DataError: the scene cannot be read, seen or taught from.
        """
        scene = self.source.load(scene_id)
        if self.rendering is not None:
            scene = with_rendered_sensors(scene, self.rendering)
        observation = build_observation(scene, rig_of(self.options))
        arrays = compact_features(observation, self.options)
        return {**arrays, **targets_of(scene, self.options)} if self.targets else arrays


@dataclass(frozen=True, slots=True)
class Estimate:
    """What filling a cache takes.

    Attributes:
        scenes: asked for.
        missing: of them that have to be built.
        bytes: that the missing ones will take.
        seconds: on so many processes.
    """

    scenes: int
    missing: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.missing} of {self.scenes} scenes to build: about {self.bytes / 1e6:.0f} MB, "
            f"{self.seconds / 60:.1f} minutes"
        )


@dataclass(slots=True)
class Filled:
    """What came of filling.

    Attributes:
        built: scenes.
        seconds: it took.
        failed: why, by scene; such scenes are left out of training.
    """

    built: int = 0
    seconds: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)


class FeatureCache:
    """Arrays of the scenes of one recipe.

    Args:
        recipe: what they are made from.
        folder: where they are kept, with those of other recipes; `cache_folder()` if None.
    """

    def __init__(self, recipe: Recipe, folder: str | Path | None = None) -> None:
        self.recipe = recipe
        self.store = ArrayStore(folder, elsewhere="cache=DIR")
        self._identity = digest_of(recipe.identity())

    def key(self, scene_id: str) -> str:
        """The digest under which a scene is kept."""
        return digest_of([self._identity, scene_id])

    def load(self, scene_id: str) -> dict[str, np.ndarray]:
        """The arrays of a scene, from the folder or built now; compact, see `Recipe.build`."""
        found = self.store.read(self.key(scene_id))
        if found is None:
            found = self.recipe.build(scene_id)
            self.store.write(self.key(scene_id), found)
        return found

    def missing(self, scene_ids: Sequence[str]) -> list[str]:
        """The scenes that are not kept yet, in order."""
        return [scene for scene in scene_ids if self.key(scene) not in self.store]

    def estimate(self, scene_ids: Sequence[str], *, workers: int = 2) -> Estimate:
        """Time and space of the missing scenes, by building a few of them, which are kept.

        Raises:
            RunError: the disk has not enough space, or none of these few could be built.
        """
        missing = self.missing(scene_ids)
        size, spent, built, problem = 0, 0.0, 0, ""
        probes = missing[:: max(1, len(missing) // (PROBES + 1))][: PROBES + 1]
        for scene in probes:
            begin = perf_counter()
            try:
                size += self.store.write(self.key(scene), self.recipe.build(scene))
            except RunError:
                raise
            except DrivelabError as error:
                problem = str(error)
                continue  # it is told when the cache is filled
            if built:  # the first one compiles and loads what all share
                spent += perf_counter() - begin
            built += 1
        if not built and len(probes) > PROBES:
            raise RunError(
                f"none of {len(probes)} scenes, taken from all over the {len(missing)} that are "
                f"wanted, can be built: {problem}"
            )
        left = max(len(missing) - built, 0)
        found = Estimate(
            len(scene_ids), left, left * size // max(built, 1),
            left * spent / max(built - 1, 1) / workers,
        )  # fmt: skip
        self._check_space(found)
        return found

    def fill(self, scene_ids: Sequence[str], *, workers: int = 2, say: Say | None = None) -> Filled:
        """Build what is missing; killed at any moment, the next call goes on where it was.

        Args:
            scene_ids: to be there afterwards.
            workers: processes, of one thread each; 0 builds in this one.
            say: is told the estimate, then the progress.

        Raises:
            RunError: the disk is full; what was finished is kept.
        """
        say = say or (lambda line: None)
        say(str(self.estimate(scene_ids, workers=max(workers, 1))))
        missing, begin, told = self.missing(scene_ids), perf_counter(), perf_counter()
        filled = Filled()
        for done, (scene, problem) in enumerate(_built(self, missing, workers), 1):
            if problem:
                filled.failed[scene] = problem
            filled.built += not problem
            filled.seconds = now = perf_counter() - begin
            if perf_counter() - told >= EVERY or done == len(missing):
                rest = (len(missing) - done) * now / done / 60
                say(f"{done} of {len(missing)} scenes, {rest:.1f} minutes left")
                told = perf_counter()
        for line in told_failures(filled.failed):
            say(line)
        return filled

    def _check_space(self, wanted: Estimate) -> None:
        if wanted.bytes > (free := self.store.free()):
            raise RunError(
                f"the feature cache {self.store.folder} would need about "
                f"{wanted.bytes / 1e6:.0f} MB for {wanted.missing} scenes, but its disk has "
                f"{free / 1e6:.0f} MB left: free some space, or name a folder on another disk "
                "(cache=DIR)"
            )


def told_failures(failed: Mapping[str, str]) -> list[str]:
    """A line for each of the first scenes that are left out, and how many more there are."""
    lines = [
        f"left out: {problem if scene in problem else f'{scene}: {problem}'}"
        for scene, problem in list(failed.items())[:SHOWN]
    ]
    more = len(failed) - SHOWN
    return [*lines, f"left out: {more} more"] if more > 0 else lines


def _built(cache: FeatureCache, scenes: Sequence[str], workers: int) -> Iterator[tuple[str, str]]:
    """Build and keep scenes; yields each with what was wrong with it, or nothing."""
    if not scenes or workers < 1:
        for scene in scenes:
            yield _build_one(cache, scene)
        return
    with _one_thread_each():
        pool = ProcessPoolExecutor(
            min(workers, len(scenes)), get_context("spawn"), initializer=_begin, initargs=(cache,)
        )
        try:
            with _deaf_to_interrupts():
                asked = [pool.submit(_build_here, scene) for scene in scenes]
            for done in as_completed(asked):
                yield done.result()
        except BrokenProcessPool as error:
            raise RunError(
                "a process that builds features was ended from outside, perhaps for want of "
                "memory. What was finished is kept: give the same command again, with fewer workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes begun within keep to one thread."""
    before = {name: os.environ.get(name) for name in THREAD_LIMITS}
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes begun within leave Ctrl-C to the one that began them, which ends them quietly."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_here: list[FeatureCache] = []  # of a process that builds


def _begin(cache: FeatureCache) -> None:
    _here[:] = [cache]
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A process that builds does not outlive the one that asked for it, however that ended."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _build_here(scene: str) -> tuple[str, str]:
    return _build_one(_here[0], scene)


def _build_one(cache: FeatureCache, scene: str) -> tuple[str, str]:
    try:
        arrays = cache.recipe.build(scene)
    except DrivelabError as error:
        return scene, str(error)
    cache.store.write(cache.key(scene), arrays)
    return scene, ""
