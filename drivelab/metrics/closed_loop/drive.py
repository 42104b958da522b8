"""A driven episode as arrays about an origin near it: what all rollout metrics start from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8

from drivelab.errors import DataError
from drivelab.geometry.poses import rotate
from drivelab.kernels.contacts import contact_sides
from drivelab.types import AGENT_KINDS, Rollout, Scene, StateColumn, VehicleParameters

DT = 0.1  # [s]


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """States and boxes relative to `origin`; boxes (x, y, cos, sin, half length, half width)."""

    scene_id: str
    origin: Float[np.ndarray, "2"]
    vehicle: VehicleParameters
    states: Float[np.ndarray, "t 11"]
    boxes: Float[np.ndarray, "t n 6"]
    velocities: Float[np.ndarray, "t n 2"]  # map axes [m/s]; 0 where absent
    ids: tuple[str, ...]
    kinds: tuple[str, ...]
    is_agent: Bool[np.ndarray, " n"]

    @property
    def steps(self) -> int:
        """Number of states."""
        return len(self.states)

    @property
    def ego_size(self) -> Float[np.ndarray, "3"]:
        """Half length, half width, rear axle to centre [m]."""
        car = self.vehicle
        return np.array([car.length / 2, car.width / 2, car.rear_axle_to_center])

    @property
    def centers(self) -> Float[np.ndarray, "t 2"]:
        """Centres of the ego box."""
        return centers_of(self.states[:, :3], self.vehicle)

    @property
    def speed(self) -> Float[np.ndarray, " t"]:
        """Speed of the rear axle [m/s]."""
        return np.hypot(self.states[:, StateColumn.VX], self.states[:, StateColumn.VY])

    @property
    def velocity(self) -> Float[np.ndarray, "t 2"]:
        """Velocity of the rear axle along the map axes [m/s]."""
        return rotate(
            self.states[:, StateColumn.VX : StateColumn.AX], self.states[:, StateColumn.HEADING]
        )

    def contacts(self) -> UInt8[np.ndarray, "t n"]:
        """0 where apart, else the side that touches (codes of `drivelab.kernels.contacts`)."""
        return contact_sides(self.states, self.ego_size, self.boxes)

    def alone_at(self, poses: Float[np.ndarray, "k 3"]) -> Drive:
        """The same vehicle at other rear-axle poses, nobody else there and nothing else known."""
        states = np.zeros((len(poses), self.states.shape[1]))
        states[:, :3] = poses
        nobody = np.zeros((len(poses), 0, 6))
        return replace(
            self,
            states=states,
            boxes=nobody,
            velocities=nobody[..., :2],
            ids=(),
            kinds=(),
            is_agent=np.zeros(0, bool),
        )

    def impact_speed(self, step: int, actor: int) -> float:
        """Speed of the ego relative to a box [m/s]."""
        return float(np.hypot(*(self.velocity[step] - self.velocities[step, actor])))


def centers_of(
    poses: Float[np.ndarray, "k 3"], vehicle: VehicleParameters
) -> Float[np.ndarray, "k 2"]:
    """Box centres of rear-axle poses."""
    ahead = np.array([vehicle.rear_axle_to_center, 0.0])
    return poses[:, :2] + rotate(np.broadcast_to(ahead, (len(poses), 2)), poses[:, 2])


def drive_of(scene: Scene, rollout: Rollout) -> Drive:
    """Check a rollout and bring it near the origin.

    Raises:
        DataError: no states, times that are not 0.1 s apart, numbers that are not finite, or tracks
            of another length.
    """
    _check(rollout)
    origin = np.floor(rollout.ego[0, :2])
    states = np.array(rollout.ego, float)
    states[:, :2] -= origin
    tracks = rollout.tracks
    boxes = np.full((*tracks.valid.shape, 6), np.nan)
    boxes[..., :2] = tracks.poses[..., :2] - origin
    boxes[..., 2], boxes[..., 3] = np.cos(tracks.poses[..., 2]), np.sin(tracks.poses[..., 2])
    boxes[..., 4:] = tracks.sizes / 2
    boxes[~tracks.valid] = np.nan
    return Drive(
        scene_id=rollout.scene_id,
        origin=origin,
        vehicle=scene.vehicle,
        states=states,
        boxes=boxes,
        velocities=np.where(tracks.valid[..., None], tracks.velocities, 0.0),
        ids=tracks.ids,
        kinds=tracks.kinds,
        is_agent=np.array([kind in AGENT_KINDS for kind in tracks.kinds], bool),
    )


def _check(rollout: Rollout) -> None:
    where = f"rollout of {rollout.scene_id}"
    times, ego, tracks = rollout.times, rollout.ego, rollout.tracks
    if len(times) < 1 or ego.shape != (len(times), 11):
        raise DataError(
            f"{len(times)} times and states of shape {ego.shape}; expected (t, 11) with t >= 1",
            where=where,
        )
    if not np.allclose(np.diff(times), DT, atol=1e-3):
        raise DataError(f"the states are not {DT} s apart; expected 10 Hz", where=f"{where}, times")
    if not np.isfinite(ego).all():
        step = int(np.argmin(np.isfinite(ego).all(1)))
        raise DataError(f"the ego state is not finite: {ego[step]}", where=f"{where}, step {step}")
    if len(tracks.valid) != len(times):
        raise DataError(
            f"{len(tracks.valid)} frames of tracks for {len(times)} states",
            where=f"{where}, tracks",
        )
    broken = tracks.valid & ~(
        np.isfinite(tracks.poses).all(-1) & np.isfinite(tracks.velocities).all(-1)
    )
    if broken.any():
        step, track = np.argwhere(broken)[0]
        raise DataError(
            f"pose or velocity of track {tracks.ids[track]!r} is not finite",
            where=f"{where}, step {step}",
        )
