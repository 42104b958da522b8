"""Which recorded scenes are learnt from: the choices of `data=`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drivelab.agents.learned.sight import Sight
from drivelab.data.source import SceneSource
from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.labmini_splits import EMBEDDED, SPLITS, labmini_source
from drivelab.sim.sensors.rendering import WEATHERS, Rendering
from drivelab.training.feature_cache import FeatureCache, Recipe
from drivelab.training.imitation.lesson import Lesson

OPENSCENE_VARIABLE, MAPS_VARIABLE = "OPENSCENE_DATA_ROOT", "NUPLAN_MAPS_ROOT"


class Scenes(Protocol):
    """A choice of `data=`."""

    def lesson(self, sight: Sight, *, cache: Path | None, limit: int | None, tried: int) -> Lesson:
        """Training and validation scenes as a network of this sight looks at them.

        Args:
            sight: of the network.
            cache: folder of the features; None: the usual one.
            limit: of the training scenes.
            tried: validation scenes.
        """


@dataclass(frozen=True, slots=True)
class LabminiScenes:
    """Generated splits of labmini, sensors drawn.

    Attributes:
        train: split to learn from.
        validation: split to be tried on.
        weather: of the drawn sensors.
    """

    train: str = "train"
    validation: str = "val"
    weather: str = "day"

    def __post_init__(self) -> None:
        if self.weather not in WEATHERS:
            raise ConfigError(
                f"data.weather={self.weather}: expected one of {', '.join(WEATHERS)}"
                f"{nearest_name(self.weather, WEATHERS)}"
            )
        for split in (self.train, self.validation):
            if split in ("test", EMBEDDED):
                raise ConfigError(f"data: the split {split} is for measuring, not for learning")
        if self.train == self.validation:
            raise ConfigError(
                f"data.train and data.validation are both {self.train}; there are: "
                f"{', '.join(split for split in SPLITS if split != 'test')}"
            )

    def lesson(self, sight: Sight, *, cache: Path | None, limit: int | None, tried: int) -> Lesson:
        """See `Scenes`."""
        rendering = Rendering(rig=sight.rig, weather=WEATHERS[self.weather]) if sight.rig else None
        train, val = (
            FeatureCache(Recipe(labmini_source(split), sight.features, rendering), cache)
            for split in (self.train, self.validation)
        )
        ids, tried_ids = train.recipe.source.scene_ids(), val.recipe.source.scene_ids()
        return Lesson(train, ids[:limit], val, tried_ids[:tried])


@dataclass(frozen=True, slots=True)
class NavsimScenes:
    """Real OpenScene logs with their recorded sensors.

    Attributes:
        split: to learn from; `navtrain`, or a scene filter's YAML file.
        held_out: share of its scenes, the last ones in the order of the logs, for validation
            alone; at most one log is on both sides.
        root: folder that holds navsim_logs/, sensor_blobs/ and maps/.
        openscene_root: instead of OPENSCENE_DATA_ROOT.
        maps_root: instead of NUPLAN_MAPS_ROOT.
    """

    split: str = "navtrain"
    held_out: float = 0.05
    root: str | None = None
    openscene_root: str | None = None
    maps_root: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ConfigError(f"data.held_out={self.held_out}: expected between 0 and 1")
        if self.split.startswith(("navtest", "navhard", "private")):
            raise ConfigError(f"data.split={self.split} is for measuring, not for learning")

    def lesson(self, sight: Sight, *, cache: Path | None, limit: int | None, tried: int) -> Lesson:
        """See `Scenes`."""
        kept = FeatureCache(Recipe(self._source(), sight.features), cache)
        ids = kept.recipe.source.scene_ids()
        first = min(round(len(ids) * (1.0 - self.held_out)), len(ids) - 1)
        return Lesson(kept, ids[:first][:limit], kept, spread(ids[first:], tried))

    def _source(self) -> SceneSource:
        from drivelab.data.navsim.source import NavsimSource

        openscene = self.openscene_root or self.root or os.environ.get(OPENSCENE_VARIABLE)
        inner = str(Path(self.root) / "maps") if self.root else None
        maps = self.maps_root or inner or os.environ.get(MAPS_VARIABLE)
        if not openscene or not maps:
            raise ConfigError(
                f"data=navsim needs the logs and the maps: set {OPENSCENE_VARIABLE} and "
                f"{MAPS_VARIABLE}, or data.root=; data=labmini needs nothing"
            )
        return NavsimSource(openscene, maps, self.split)


def spread(ids: Sequence[str], count: int) -> tuple[str, ...]:
    """So many of the ids, evenly from first to last."""
    if len(ids) <= count:
        return tuple(ids)
    return tuple(ids[round(i * (len(ids) - 1) / max(count - 1, 1))] for i in range(count))
