"""The bench `hugsim`: HUGSIM's scene folders with their scenarios, judged by the HD-Score.

The world is drivelab's: its vehicles, its controller, its steps of 0.1 s. Of HUGSIM are the scene,
the recorded way, the ego's box, who starts where with which planner, and the rules for the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from drivelab.errors import ConfigError
from drivelab.evaluation.benches.hugsim_scenes import HugsimSource
from drivelab.evaluation.benches.rendered import AUTO, RenderedOptions
from drivelab.sim.sensors.rendering import WEATHERS, Rendering

VEHICLES = "3DRealCar"


@dataclass(frozen=True, slots=True)
class HugsimBench(RenderedOptions):
    """Options of `hugsim`; sensors are on unless told else, for the scene itself to be felt."""

    metric: str = "hugsim_hd_v1"
    root: str | None = None  # a folder with scenes and scenarios of HUGSIM
    vehicles: str | None = None  # its vehicles; else ROOT/3DRealCar
    controller: str = "auto"  # lqr | perfect | dynamic; auto: see `controller_for`
    sensors: str = "on"
    rig: str = AUTO

    def source(self) -> HugsimSource:
        """All scenarios below `root`."""
        if not self.root:
            raise ConfigError(
                "bench=hugsim needs data.root=DIR, a folder with scenes and scenarios of HUGSIM; "
                "none comes with drivelab"
            )
        vehicles = self.vehicles or str(Path(self.root) / VEHICLES)
        return HugsimSource(self.root, vehicles, self._rendering())

    def split_name(self, source: HugsimSource) -> str:
        """The folder."""
        return Path(self.root or ".").absolute().name

    def _rendering(self) -> Rendering | None:
        if self.sensors == "off":
            return None
        from drivelab.sim.sensors.stage import stage_rig

        rig = "nuscenes" if self.rig == AUTO else self.rig
        rendering = Rendering(rig, self.scale, WEATHERS[self.weather])
        stage_rig(rendering)  # a rig that is not there is told before the first scene
        return rendering
