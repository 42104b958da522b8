"""Generated splits of labmini: train, val and test, simulated scene by scene when asked for.

A scene is made as those of the embedded file are: the same families in turn, the same human, the
same demands on a drive; one scene a log. Every split draws from a seed of its own, which is not the
embedded file's either, so that no map and no traffic of one occurs in another. Which attempt of a
seed gave a good drive is kept in a table beside digests of the maps: a scene costs one simulation.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import as_file, files

import numpy as np

from drivelab.data.labmini import LICENCE, SOURCE, LabminiSource
from drivelab.data.source import SceneSource
from drivelab.errors import DataError, nearest_name
from drivelab.sim.generator.families import FAMILIES
from drivelab.sim.generator.quality import complaints
from drivelab.sim.generator.recording import Run, run_setting
from drivelab.sim.generator.scenes import ATTEMPTS, FIRST_TIME, LOG_SPACING
from drivelab.types import LaneMap, Scene

SPLITS = {"train": (3000, 20261101), "val": (300, 20261102), "test": (1000, 20261103)}  # seed
EMBEDDED = "embedded"  # the name under which the shipped 200 stand beside the splits
TABLE = "labmini_splits.npz"  # per split: attempt and digest of the map of every scene
UNKNOWN = 255  # attempt of a scene that nobody has looked for yet
MILLIMETRE = 1e-3  # resolution at which maps are compared [m]
_FIRST = {"train": 1000, "val": 5000, "test": 6000}  # place of a split's first log in time


@dataclass(frozen=True, slots=True)
class SceneName:
    """The id of a generated scene, taken apart."""

    split: str
    index: int
    family: str


@dataclass(frozen=True, slots=True)
class LabminiSplit:
    """Scenes of one generated split; satisfies `drivelab.data.source.SceneSource`."""

    split: str

    def __post_init__(self) -> None:
        _check_split(self.split)

    @property
    def label(self) -> str:
        """Says what it is not."""
        return f"labmini {self.split} (generated, not NAVSIM)"

    @property
    def data(self) -> str:
        """Comes with drivelab: its generator and the table."""
        return "embedded"

    @property
    def licence(self) -> str:
        """Of the scenes."""
        return LICENCE

    def scene_ids(self) -> tuple[str, ...]:
        """All scenes of the split."""
        return scene_ids(self.split)

    def load(self, scene_id: str) -> Scene:
        """Simulate one scene."""
        return split_scene(scene_id)

    def provenance(self) -> Mapping[str, str]:
        """Seed of the split and checksum of the table, which stand for its scenes."""
        table = hashlib.sha256((files("drivelab.sim") / TABLE).read_bytes()).hexdigest()
        seed = str(SPLITS[self.split][1])
        return {"labmini_split": self.split, "labmini_seed": seed, "labmini_table_sha256": table}


def labmini_source(split: str) -> SceneSource:
    """The scenes of `train`, `val`, `test`, or the shipped ones: `embedded`.

    Raises:
        DataError: no such split; names the nearest.
    """
    return LabminiSource() if split == EMBEDDED else LabminiSplit(split)


def scene_ids(split: str) -> tuple[str, ...]:
    """All scenes of a split, e.g. `labmini-train-0002-merge`; families take turns."""
    _check_split(split)
    names = tuple(FAMILIES)
    count = SPLITS[split][0]
    return tuple(f"{SOURCE}-{split}-{i:04d}-{names[i % len(names)]}" for i in range(count))


def read_scene_id(scene_id: str) -> SceneName:
    """Split, index and family of a scene's id.

    Raises:
        DataError: it is no id of a generated split.
    """
    parts = scene_id.split("-")
    if len(parts) == 4 and parts[1] in SPLITS and scene_id in _known(parts[1]):
        return SceneName(parts[1], int(parts[2]), parts[3])
    raise DataError(
        f"the generated splits of labmini have no scene {scene_id!r}: expected an id like "
        "labmini-test-0002-merge"
    )


def split_scene(scene_id: str) -> Scene:
    """One scene, simulated: 14 frames at 2 Hz, its present at frame 3, as those of the file."""
    name = read_scene_id(scene_id)
    attempt = int(split_table(name.split)[0][name.index])
    if attempt == UNKNOWN:
        raise DataError(
            f"the table of attempts ends before {scene_id}; complete it with "
            "'python -m drivelab.sim.labmini_table'",
            file=TABLE,
        )
    scene = run_scene(name, attempt).log.scene(0, source=SOURCE, licence=LICENCE)
    return replace(scene, id=scene_id)


def split_table(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Per scene of a split: (n,) uint8 attempt that gave a good drive, (n,) uint64 map digest.

    Raises:
        DataError: the table is missing or not whole.
    """
    _check_split(split)
    return _table()[split]


def find_attempt(name: SceneName) -> tuple[int, int]:
    """The first attempt whose drive nobody complains about, and its map's digest."""
    found: list[str] = []
    for attempt in range(ATTEMPTS):
        run = run_scene(name, attempt)
        found = complaints(run)
        if not found:
            return attempt, map_digest(run.log.map)
    raise RuntimeError(f"no good drive for {name} in {ATTEMPTS} attempts: {found}")


def run_scene(name: SceneName, attempt: int) -> Run:
    """The simulation behind a scene; all randomness comes from (seed of the split, index, attempt).

    Args:
        name: of the scene.
        attempt: number of the draw.
    """
    seed = SPLITS[name.split][1]
    rng = np.random.default_rng(np.random.SeedSequence([seed, name.index, attempt]))
    return run_setting(
        FAMILIES[name.family](rng),
        name=f"{SOURCE}-{name.split}-{name.index:04d}",
        family=name.family,
        start_time=FIRST_TIME + (_FIRST[name.split] + name.index) * LOG_SPACING,
    )


def map_digest(lane_map: LaneMap) -> int:
    """64 bits that tell maps apart: their centrelines [mm], lane by lane in the map's order."""
    digest = hashlib.sha256()
    for lane in lane_map.lanes.values():
        points = np.rint(lane.centreline[:, :2] / MILLIMETRE).astype("<i8")
        digest.update(lane.id.encode() + b"\0" + points.tobytes())
    return int.from_bytes(digest.digest()[:8], "little")


def _check_split(split: str) -> None:
    known = (*SPLITS, EMBEDDED)
    if split not in SPLITS:
        raise DataError(
            f"labmini has no split {split!r}{nearest_name(split, known)}; expected one of "
            f"{', '.join(SPLITS)} (generated), or {EMBEDDED} for the scenes that ship"
        )


@cache
def _known(split: str) -> frozenset[str]:
    return frozenset(scene_ids(split))


@cache
def _table() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    try:
        with as_file(files("drivelab.sim") / TABLE) as path, np.load(path) as stored:
            rows = {name: (stored[f"{name}_attempts"], stored[f"{name}_maps"]) for name in SPLITS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"cannot be read ({error}); install the package again, or make it with "
            "'python -m drivelab.sim.labmini_table'",
            file=TABLE,
        ) from error
    for name, (attempts, maps) in rows.items():
        if len(attempts) != SPLITS[name][0] or len(maps) != len(attempts):
            raise DataError(f"is of other splits: {len(attempts)} scenes of {name}", file=TABLE)
    return rows
