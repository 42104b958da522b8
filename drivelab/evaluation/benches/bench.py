"""What every bench looks like from outside."""

from __future__ import annotations

from typing import Protocol

from drivelab.data.source import SceneSource

WHO_HAS_SENSORS = (
    "Benches with sensors: navsim and navsim_v2 on OpenScene data with its sensor blobs "
    "(OPENSCENE_DATA_ROOT and NUPLAN_MAPS_ROOT set, data=real: eight cameras and lidar), "
    "reallogs on logs that were stored with lidar; with rendered ones (sensors=on, rig=NAME): "
    "navsim and navsim_v2 on labmini, reallogs, rad, scenarios"
)
WHO_HAS_RECORDS = (
    "Closed loops with a recorded ego: rad, nuplan_closed_loop, and scenarios cut from a log"
)


class Bench(Protocol):
    """A dataclass of options that says which scenes are scored by which metric."""

    @property
    def metric(self) -> str:
        """Name of the metric, with its version."""

    def source(self) -> SceneSource:
        """The scenes; raises DataError or ConfigError when they are not there."""

    def split_name(self, source: SceneSource) -> str:
        """What `summary.json` calls the split that was really used."""
