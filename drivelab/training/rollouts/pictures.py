"""Worlds seen through small cameras: what `obs=images` learns from.

The worlds, their events and their rewards are those of vector observations, so that what policies
score can be compared. What stands about lies behind borders, whose touch ends a clip anyway; it is
seen, and not felt by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from drivelab.agents.rad.sight import AGO, CHANNELS, PICTURES, brightness
from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.envs.core import EnvOptions
from drivelab.sim.envs.splat_view import FRONT, SplatView
from drivelab.sim.envs.views import Arrays
from drivelab.sim.sensors.rendering import WEATHERS, Rendering
from drivelab.sim.world.native import NativeWorld
from drivelab.training.rollouts.seen import DrawnCore

_ROUND = AGO + 1  # steps of which the brightness is kept


@dataclass(frozen=True, slots=True)
class Pictures:
    """How pictures are taken.

    Attributes:
        rig: name of a rig or a YAML file; its front cameras look.
        scale: of their pictures.
        weather: one of `WEATHERS`.
        keep: a folder for built streets, shared by whoever drives; "" builds them every time.
        cameras: of the rig, all of one size.
    """

    rig: str = "rad_small"
    scale: float = 1.0
    weather: str = "day"
    keep: str = ""
    cameras: tuple[str, ...] = FRONT

    def __post_init__(self) -> None:
        if self.weather not in WEATHERS:
            raise ConfigError(
                f"pictures.weather={self.weather}: expected one of {', '.join(WEATHERS)}"
                f"{nearest_name(str(self.weather), WEATHERS)}"
            )
        if isinstance(self.scale, bool) or not isinstance(self.scale, int | float):
            raise ConfigError(f"pictures.scale={self.scale}: expected a number")

    def view(self) -> PictureView:
        """A view of its own.

        Raises:
            ConfigError: there is no such rig, or it lacks a camera.
        """
        return PictureView([self.rendering], self.cameras)

    @property
    def rendering(self) -> Rendering:
        """As streets and cameras take it."""
        return Rendering(self.rig, self.scale, WEATHERS[self.weather], keep=self.keep)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of an observation's pictures: cameras, height, width, channels."""
        cameras, height, width, _ = self.view().shape
        return cameras, height, width, CHANNELS

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """See `Seen`."""
        return {PICTURES: self.shape}

    def core(self, options: EnvOptions, environments: int) -> DrawnCore:
        """Worlds of their own."""
        return DrawnCore(options, environments=environments, view=self.view())


class PictureView(SplatView):
    """Pictures with a fourth channel: the brightness `AGO` steps before, see `agents.rad.sight`.

    Attributes:
        live, seconds: see `DrawnView`.
    """

    def __init__(self, rendering: Sequence[Rendering], cameras: Sequence[str] = FRONT) -> None:
        super().__init__(rendering, cameras)
        self.live = np.zeros(0, bool)
        self.seconds = 0.0

    def allocate(self, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """See `SplatView`; the pictures have `CHANNELS` channels."""
        arrays = super().allocate(shape)
        size = self.shape[:-1]
        self.live = np.ones(shape[0], bool)
        self._before = np.zeros((shape[0], _ROUND, *size), np.uint8)
        return {**arrays, PICTURES: np.zeros((*shape, *size, CHANNELS), np.uint8)}

    def fill(self, world: NativeWorld, arrays: Arrays) -> None:
        """Draw the environments that live."""
        clock = perf_counter()
        for e in np.flatnonzero(self.live).tolist():
            self.draw(world, e, arrays)
        self.seconds += perf_counter() - clock

    def draw(self, world: NativeWorld, e: int, arrays: Arrays) -> None:
        """See `SplatView`; at the start of an episode the brightness before is that of now."""
        pictures = arrays[PICTURES]
        super().draw(world, e, {**arrays, PICTURES: pictures[..., :3]})
        seen, step, before = pictures[e, 0], int(world.state.step[e]), self._before[e]
        now = brightness(seen[..., :3])
        if step == 0:
            before[:] = now
        before[step % _ROUND] = now
        seen[..., 3] = before[(step - AGO) % _ROUND]
