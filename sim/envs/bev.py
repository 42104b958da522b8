"""`drivelab/NativeBEV-v0`: the native world with a picture to look at."""

from __future__ import annotations

from typing import ClassVar

from drivelab.sim.envs.native import NativeEnv
from drivelab.sim.envs.raster_view import RasterView
from drivelab.sim.envs.vector import NativeVectorEnv
from drivelab.sim.envs.views import View


class NativeBEVEnv(NativeEnv):
    """As `drivelab/Native-v0`, seen from above.

    ## Action space
    As `drivelab/Native-v0`.

    ## Observation space
    `observation="dict"` (default): `raster`, uint8 (channels, 96, 96), ego in the middle and
    heading up, and `ego`, the ego's own numbers as in `drivelab/Native-v0`; `"flat"`: the raster
    alone. docs/environments.md has the channels.

    ## Reward, starting state, episode end, arguments
    As `drivelab/Native-v0`.

    ## Version history
    v0: first version.
    """

    view: ClassVar[type[View]] = RasterView


class NativeBEVVectorEnv(NativeVectorEnv):
    """`num_envs` of `drivelab/NativeBEV-v0` side by side."""

    view: ClassVar[type[View]] = RasterView
