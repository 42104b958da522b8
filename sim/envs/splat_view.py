"""Rendered cameras, beside the ego's own numbers and its way ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from drivelab.errors import ConfigError
from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.observe_ego import EGO_FLOATS, observe_ego
from drivelab.sim.envs.splat_album import Album
from drivelab.sim.envs.vector_view import HIGH, LOW, PARTS
from drivelab.sim.envs.views import Arrays
from drivelab.sim.sensors.rendered import stage_of_episode
from drivelab.sim.sensors.rendering import Rendering
from drivelab.sim.sensors.stage import Shot, Stage, stage_rig
from drivelab.sim.splats.collision import StaticWatch
from drivelab.sim.splats.memory import require_memory
from drivelab.sim.splats.scene import Moment
from drivelab.sim.world.native import NativeWorld
from drivelab.sim.world.present import lanes_lit, present

FRONT = ("CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT")  # of the rig `rad`
KEPT, DRAWN = 2 * 3, 48  # bytes for a pixel: two copies of its colour, and while it is drawn
TOLD = {"ego": "ego", "progress": "progress", "route": "way"}  # ours -> part of EGO_LAYOUT


@dataclass(slots=True)
class _Seat:
    """One environment's stage, what feels contacts with it once asked, and its cameras' album."""

    episode: str
    stage: Stage
    album: Album
    statics: StaticWatch | None = None


class SplatView:
    """What cameras of a rig see of every environment; drawn anew after each step.

    Args:
        rendering: rig, scale and weather, one for all, or several that episodes take turns by
            their id.
        cameras: of the rig, all of one size.

    Raises:
        ConfigError: the rig has no such camera, or they differ in size.
    """

    def __init__(self, rendering: Sequence[Rendering], cameras: Sequence[str] = FRONT) -> None:
        self.renderings = tuple(rendering)
        self.cameras = (cameras,) if isinstance(cameras, str) else tuple(cameras)
        if not self.renderings or not self.cameras:
            raise ConfigError("a view of splats needs at least one rendering and one camera")
        sizes = {
            (spec.height, spec.width)
            for how in self.renderings
            for spec in (stage_rig(how).camera(name) for name in self.cameras)
        }
        if len(sizes) > 1:
            raise ConfigError(
                f"cameras {', '.join(self.cameras)} have the sizes "
                f"{', '.join(f'{w}x{h}' for h, w in sorted(sizes))}; pictures of one observation "
                "have one size: name cameras that share it"
            )
        self.shape = (len(self.cameras), *sizes.pop(), 3)
        self._seats: dict[int, _Seat] = {}

    def allocate(self, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """Pictures and a row of floats.

        Raises:
            DataError: they, or what drawing them takes, are more than the memory.
        """
        pixels = float(np.prod(self.shape[:-1]))
        require_memory(
            (KEPT * shape[0] * shape[1] + DRAWN) * pixels,
            file="drivelab/Splat-v0",
            what=f"pictures of {' x '.join(map(str, self.shape))} for {shape[0]} environments",
        )
        return {
            "images": np.zeros((*shape, *self.shape), np.uint8),
            "vector": np.zeros((*shape, EGO_FLOATS), np.float32),
        }

    def ego_rows(self, arrays: Arrays) -> np.ndarray:
        """All rows of floats."""
        return arrays["vector"][:, 0]

    def fill(self, world: NativeWorld, arrays: Arrays) -> None:
        """Draw all environments."""
        for e in range(len(world.starts)):
            self.draw(world, e, arrays)

    def fill_one(self, world: NativeWorld, e: int, arrays: Arrays) -> None:
        """Look at one environment that has just begun."""
        self._seats.pop(e, None)
        self.draw(world, e, arrays)
        observe_ego(world.roads, world.one(e), arrays["vector"][e : e + 1, 0])

    def space(self, form: str) -> gym.Space:
        """A Box of bytes, alone or in a Dict beside the ego's numbers and its route."""
        images = gym.spaces.Box(0, 255, self.shape, np.uint8)
        if form == "flat":
            return images
        shapes = {name: shape for name, _, _, shape in PARTS}
        told = {
            name: gym.spaces.Box(LOW, HIGH, shapes[part], np.float32) for name, part in TOLD.items()
        }
        return gym.spaces.Dict({"images": images, **told})

    def pack(self, arrays: Arrays, at: Any, form: str) -> Any:
        """Copies of the pictures, and of the ego's numbers."""
        images = arrays["images"][at].copy()
        if form == "flat":
            return images
        rows, found = arrays["vector"][at], {"images": images}
        parts = {name: (start, stop, shape) for name, start, stop, shape in PARTS}
        for name, part in TOLD.items():
            start, stop, shape = parts[part]
            found[name] = rows[..., start:stop].reshape(*rows.shape[:-1], *shape).copy()
        return found

    def touches(self, world: NativeWorld, e: int) -> bool:
        """Whether the ego's contact with what stands about begins now; ask once a step."""
        seat, pose = self._seat(world, e), world.ego_pose(e)
        if seat.statics is None:
            seat.statics = seat.stage.static_watch(world.starts[e].episode.vehicle)
        step = int(world.state.step[e])
        return seat.statics.look(step, pose, float(world.state.speed[e, 0])) is not None

    def _seat(self, world: NativeWorld, e: int) -> _Seat:
        episode = world.starts[e].episode
        seat = self._seats.get(e)
        if seat is None or seat.episode != episode.id:
            how = self.renderings[_number(episode.id) % len(self.renderings)]
            stage = stage_of_episode(episode, how)
            album = Album(stage.rendering.faults, tuple(stage.rig.cameras), episode.id)
            seat = self._seats[e] = _Seat(episode.id, stage, album)
        return seat

    def draw(self, world: NativeWorld, e: int, arrays: Arrays) -> None:
        """What the cameras of one environment see now, into its row of `images`."""
        start, seat, step = world.starts[e], self._seat(world, e), int(world.state.step[e])
        stage = seat.stage
        others = present(world, e)
        kinds = [actor.kind for actor in start.episode.actors]
        actors, poses = stage.cast(start.ids[1:], kinds, others.sizes, others.poses, others.there)
        lit = stage.signals(lanes_lit(world, e, a.RED), lanes_lit(world, e, a.YELLOW))
        shot = Shot(
            stage, actors, Moment(poses, lit), world.ego_pose(e), name=start.episode.id,
            frame=step,
        )  # fmt: skip
        frames = seat.album.delivered(step, shot.cameras(self.cameras))
        for n, name in enumerate(self.cameras):
            arrays["images"][e, 0, n] = frames[name].image


def _number(text: str) -> int:
    """A number of a text that is the same in every process."""
    return sum((n + 1) * byte for n, byte in enumerate(text.encode()))
