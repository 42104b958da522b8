"""The bench on real AV2 and nuScenes logs: PDMS over our own mapping of their maps.

Not comparable with NAVSIM; the mapping is stated in docs/benches/reallogs.md.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import ClassVar

from drivelab.data.source import SceneSource
from drivelab.errors import ConfigError
from drivelab.evaluation.benches.rendered import KeptOptions

ROOT_VARIABLE = "DRIVELAB_REALLOGS_ROOT"


@dataclass(frozen=True, slots=True)
class ReallogsBench(KeptOptions):
    """Options of `reallogs`."""

    metric: str = "pdms_v1.1"
    root: str | None = None  # folder that holds av2/ and nuscenes_mini/

    usual_rig: ClassVar[str] = "nuscenes"  # of rendered sensors, for logs that were stored without

    def source(self) -> SceneSource:
        """Windows of all logs under the root."""
        root = self.root or os.environ.get(ROOT_VARIABLE)
        if not root:
            raise ConfigError(
                "reallogs needs the folder of its logs: data.root=DIR, or set "
                f"{ROOT_VARIABLE} (`drivelab data import av2|nuscenes` makes it from the official "
                "downloads)"
            )
        from drivelab.data.reallogs import RealLogsSource

        return self.seen(RealLogsSource(root))

    def split_name(self, source: SceneSource) -> str:
        """The one split of this bench."""
        return "windows"
