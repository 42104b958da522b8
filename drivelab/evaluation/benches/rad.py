"""The bench `rad`: RAD's closed loop of 8 s clips, on the generated set radlab or on real logs.

The expert is the recorded ego, the others repeat the recording unless `traffic=reactive`. Without
Gaussians a static collision is the ego's box on a static object or across a kerb.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from drivelab.data.labmini import LICENCE
from drivelab.data.source import SceneSource
from drivelab.errors import ConfigError, nearest_name
from drivelab.evaluation.benches.episodes import EpisodeSource
from drivelab.evaluation.benches.log_episodes import LogEpisodes, check_traffic
from drivelab.evaluation.benches.rendered import RenderedOptions
from drivelab.sim.radlab import RULES, SECONDS, SPLITS, TABLE, clip_ids, clip_scene
from drivelab.types import Scene


@dataclass(frozen=True, slots=True)
class RadlabSource:
    """The clips of one split of radlab, as scenes at 10 Hz."""

    split: str

    @property
    def label(self) -> str:
        """Says what it is not."""
        return f"radlab {self.split} (generated, not RAD's closed clips)"

    @property
    def data(self) -> str:
        """Comes with drivelab."""
        return "embedded"

    @property
    def licence(self) -> str:
        """Of the clips."""
        return LICENCE

    def scene_ids(self) -> tuple[str, ...]:
        """All clips of the split."""
        return clip_ids(self.split)

    def load(self, scene_id: str) -> Scene:
        """Simulate the recording of one clip."""
        return clip_scene(scene_id)

    def provenance(self) -> Mapping[str, str]:
        """The table of attempts stands for the clips."""
        table = files("drivelab.sim").joinpath(TABLE).read_bytes()
        return {"radlab_sha256": hashlib.sha256(table).hexdigest()[:16]}


@dataclass(frozen=True, slots=True)
class RadBench(RenderedOptions):
    """Options of `rad`."""

    metric: str = "rad9_v2"
    split: str = "test"  # train | test, of radlab
    traffic: str = "replay"  # replay | reactive
    root: str | None = None  # a folder of real logs: their 8 s windows instead of radlab
    controller: str = "auto"  # lqr | perfect | dynamic; auto: see `controller_for`
    street: str | None = None  # FILE, or FOLDER of SCENE.splats.safetensors, for built streets

    def __post_init__(self) -> None:
        RenderedOptions.__post_init__(self)
        check_traffic(self.traffic)
        if self.street and not Path(self.street).exists():
            raise ConfigError(
                f"street={self.street}: no such file or folder; drivelab reconstruct makes scenes"
            )
        if self.street and self.sensors == "off":
            raise ConfigError("street= is seen and felt with sensors=on only")
        if self.split not in SPLITS:
            raise ConfigError(
                f"split={self.split}: expected {', '.join(SPLITS)}"
                f"{nearest_name(self.split, SPLITS)}"
            )

    def source(self) -> EpisodeSource:
        """Clips of radlab, or windows of real logs under `root`."""
        return self.seen(LogEpisodes(self._scenes(), SECONDS, self.traffic, RULES))

    def split_name(self, source: EpisodeSource) -> str:
        """`radlab-test`, or `windows` of real logs."""
        return "windows" if self.root else f"radlab-{self.split}"

    def street_file(self) -> str:
        """See `RenderedOptions.street_file`."""
        return self.street or ""

    def _scenes(self) -> SceneSource:
        if not self.root:
            return RadlabSource(self.split)
        from drivelab.evaluation.benches.nuplan_closed_loop import real_windows

        return real_windows(self.root, SECONDS)
