"""Sizes of features and targets; the defaults are those of TransFuser and DiffusionDrive."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivelab.errors import ConfigError

RATIOS = (1, 2, 4)  # pixels of the cameras to one of the network, along each axis


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """Three pictures of one size, cut, put side by side and made smaller.

    Attributes:
        names: cameras from left to right.
        width: of a picture as the camera delivers it [px].
        height: of it [px].
        rows: cut off at the top and at the bottom of all three [px].
        columns: cut off at both sides of the outer two [px].
        ratio: one of 1, 2, 4; see `camera.camera_feature`.
    """

    names: tuple[str, str, str] = ("CAM_L0", "CAM_F0", "CAM_R0")
    width: int = 1920
    height: int = 1080
    rows: int = 28
    columns: int = 416
    ratio: int = 4

    def __post_init__(self) -> None:
        if self.ratio not in RATIOS:
            raise ConfigError(f"camera ratio={self.ratio}: expected one of {RATIOS}")
        height, width = self.stitched
        if min(height, self.width - 2 * self.columns) < 1:
            raise ConfigError(
                f"camera: nothing is left of {self.width} x {self.height} px without {self.rows} "
                f"rows and {self.columns} columns at each side; cut less"
            )
        if height % self.ratio or width % self.ratio:
            raise ConfigError(
                f"camera: {width} x {height} px side by side are no multiple of ratio={self.ratio}"
            )

    @property
    def stitched(self) -> tuple[int, int]:
        """Height and width of the three pictures side by side [px]."""
        return self.height - 2 * self.rows, 3 * self.width - 4 * self.columns

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the feature [px]."""
        height, width = self.stitched
        return height // self.ratio, width // self.ratio


@dataclass(frozen=True, slots=True)
class LidarOptions:
    """A histogram of echoes seen from above.

    Attributes:
        reach: from the ego to each side [m].
        cells: along each side.
        split: echoes above this height count as things, those up to it as ground [m].
        highest: echoes from there on are left out [m].
        most: echoes of a cell that count.
        ground: one more channel, of the ground, before that of things.
    """

    reach: float = 32.0
    cells: int = 256
    split: float = 0.2
    highest: float = 100.0
    most: int = 5
    ground: bool = False

    def __post_init__(self) -> None:
        if not self.reach > 0 or self.cells < 1 or not 1 <= self.most <= 255:
            raise ConfigError(
                f"lidar reach={self.reach}, cells={self.cells}, most={self.most}: expected a reach "
                "above 0, cells from 1 on, most from 1 to 255"
            )


@dataclass(frozen=True, slots=True)
class SemanticOptions:
    """The raster of what is in front of the ego, seen from above.

    Attributes:
        rows: forward from the ego.
        columns: half to its right, half to its left.
        pixel: edge of a pixel [m].
        thickness: of centre lines [px].
        radius: map objects within it of the ego are painted [m].
    """

    rows: int = 128
    columns: int = 256
    pixel: float = 0.25
    thickness: int = 2
    radius: float = 32.0


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """Everything that decides the values of features and targets.

    Attributes:
        camera: of the stitched picture.
        lidar: of the histogram; None where the network uses none.
        semantic: of the raster.
        agents: vehicles that are taught at most.
        agent_reach: from the ego to each side up to which they are taught [m].
        poses: of the trajectory.
        dt: between them [s].
    """

    camera: CameraOptions | None = field(default_factory=CameraOptions)
    lidar: LidarOptions | None = field(default_factory=LidarOptions)
    semantic: SemanticOptions = field(default_factory=SemanticOptions)
    agents: int = 30
    agent_reach: float = 32.0
    poses: int = 8
    dt: float = 0.5


FULL = FeatureOptions()
# Of the rig `labmini_mini`, whose pictures are those of a nominal rig at a quarter of its size.
MINI = FeatureOptions(camera=CameraOptions(width=480, height=270, rows=7, columns=104, ratio=2))
