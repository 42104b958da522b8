"""nuPlan's closed loop on any source of scenes: drive on from a recorded moment.

Real logs: 8 s from t = 2 s of every log. nuPlan databases: 15 s from every scenario. Without data:
the test clips of radlab. Others repeat the recording (`traffic=replay`, the score is
`nuplan_cls_nr`) or react by nuPlan's IDM (`traffic=reactive`, `nuplan_cls_r`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from drivelab.data.source import SceneSource
from drivelab.errors import ConfigError
from drivelab.evaluation.benches.episodes import EpisodeSource
from drivelab.evaluation.benches.log_episodes import LogEpisodes, check_traffic
from drivelab.sim.world.episode import Termination

PAST = 2.0  # of a real log before the start [s]
LOG_DURATION, NUPLAN_DURATION = 8.0, 15.0  # [s]
SCORES = {"replay": "nuplan_cls_nr_v1.2", "reactive": "nuplan_cls_r_v1.2"}
RULES = Termination(collision=False, route_deviation=None, route_done=False)  # drive to the end
ONCE = 1_000_000  # frames between windows: one window a log


@dataclass(frozen=True, slots=True)
class NuplanClosedLoopBench:
    """Options of `nuplan_closed_loop`."""

    metric: str | None = None  # by traffic when not given
    traffic: str = "replay"  # replay (NR) | reactive (R)
    root: str | None = None  # a folder of real logs: ROOT/av2, ROOT/nuscenes_mini
    nuplan_root: str | None = None  # instead: nuPlan databases, or NUPLAN_DATA_ROOT
    maps_root: str | None = None  # their maps, or NUPLAN_MAPS_ROOT
    split: str = "mini"  # of the nuPlan databases
    controller: str = "auto"  # lqr | perfect | dynamic; auto: see `controller_for`

    def __post_init__(self) -> None:
        check_traffic(self.traffic)
        if self.metric is None:
            object.__setattr__(self, "metric", SCORES[self.traffic])
        fitting = SCORES[self.traffic]
        if self.metric in SCORES.values() and self.metric != fitting:
            raise ConfigError(
                f"metric={self.metric}: of {self.traffic} traffic the score is {fitting}"
            )

    def source(self) -> EpisodeSource:
        """Real logs under `root`, nuPlan databases, or radlab."""
        if self.root:
            scenes = real_windows(self.root, LOG_DURATION, every=ONCE)
            return LogEpisodes(scenes, LOG_DURATION, self.traffic, RULES)
        nuplan = self.nuplan_root or os.environ.get("NUPLAN_DATA_ROOT")
        if nuplan:
            return LogEpisodes(self._nuplan(nuplan), NUPLAN_DURATION, self.traffic, RULES)
        from drivelab.evaluation.benches.rad import RadlabSource

        return LogEpisodes(RadlabSource("test"), LOG_DURATION, self.traffic, RULES)

    def split_name(self, source: EpisodeSource) -> str:
        """What was driven."""
        if self.root:
            return "logs"
        return "radlab-test" if source.data == "embedded" else self.split

    def _nuplan(self, root: str) -> SceneSource:
        maps = self.maps_root or os.environ.get("NUPLAN_MAPS_ROOT")
        if not maps:
            raise ConfigError(
                f"nuplan_root is {root}, but the maps are missing: set bench.maps_root= or "
                "NUPLAN_MAPS_ROOT to the folder that holds nuplan-maps-v1.0.json"
            )
        from drivelab.data.nuplan.source import NuplanSource

        return NuplanSource(root, maps, self.split, history=PAST, future=NUPLAN_DURATION)


def real_windows(root: str, duration: float, *, every: int = 20) -> SceneSource:
    """Windows of real logs at 10 Hz: 2 s before, `duration` [s] after; `every` counts frames."""
    from drivelab.data.reallogs import RealLogsSource
    from drivelab.data.recording import WindowShape

    shape = WindowShape(history=round(10 * PAST), future=round(10 * duration), every=every)
    return RealLogsSource(root, shape)
