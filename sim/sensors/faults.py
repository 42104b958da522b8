"""Faults of scenarios put between sensors and whoever looks at them.

A fault is a pure function of itself, the clean sensors and the frame that is asked for: looking
twice, or out of order, shows the same. Faults act in the order in which they are written; each
sees what the ones before it left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.scenario.surroundings import (
    AnyFault,
    CameraBlack,
    CameraBlurred,
    CameraDelayed,
    CameraDirty,
    CameraDropped,
    CameraFrozen,
    CameraOverexposed,
    LidarBlind,
    LidarSparse,
    StatusNoisy,
)
from drivelab.sim.sensors.draws import draws_for
from drivelab.sim.sensors.picture_faults import blurred, dirty, overexposed
from drivelab.sim.sensors.status import StatusNoise
from drivelab.types import CameraFrame, SensorData

_TICK = 1e-6  # [s], so that a time and a sum of steps that mean the same are the same
Look = Callable[[int], CameraFrame]


@dataclass(frozen=True, slots=True, eq=False)
class FaultySensors:
    """Sensors with faults; satisfies `drivelab.types.SensorData`.

    Attributes:
        clean: the sensors behind.
        faults: of `faults_of`.
        times: of the frames since the scenario began [s], rising; history may be negative.
        scene: the scene's id, which seeds what is random.
    """

    clean: SensorData
    faults: tuple[AnyFault, ...]
    times: Sequence[float]
    scene: str

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras that are there; broken ones too."""
        return self.clean.cameras

    @property
    def has_lidar(self) -> bool:
        """Whether the clean sensors have sweeps."""
        return self.clean.has_lidar

    def camera(self, name: str, frame: int) -> CameraFrame:
        """One picture as the faults leave it."""

        def clean(at: int) -> CameraFrame:
            return self.clean.camera(name, at)

        look: Look = clean
        for number, fault in enumerate(self.faults):
            if getattr(fault, "camera", None) in ("all", name):
                look = faulty_camera(fault, look, self.times, (self.scene, name, number))
        return look(frame)

    def lidar(self, frame: int) -> np.ndarray:
        """One sweep as the faults leave it."""
        cloud = self.clean.lidar(frame)
        for number, fault in enumerate(self.faults):
            if active(fault, self.times[frame]):
                cloud = faulty_lidar(fault, cloud, (self.scene, "lidar", number, frame))
        return cloud


def faults_of(entries: Sequence[Mapping[str, Any]], *, cameras: Sequence[str]) -> tuple[Any, ...]:
    """Faults as a rollout keeps them (`info["sensor_faults"]`) or YAML says them.

    Args:
        entries: mappings with the key `fault` and those of that fault.
        cameras: that the rig has.

    Raises:
        ConfigError: an entry that is no fault, or one of a camera that the rig does not have.
    """
    try:
        faults = msgspec.convert(list(entries), tuple[AnyFault, ...])
    except msgspec.ValidationError as error:
        raise ConfigError(f"sensor faults: {error}") from error
    for number, fault in enumerate(faults):
        name = getattr(fault, "camera", "all")
        if name != "all" and name not in cameras:
            raise ConfigError(
                f"sensors.faults[{number}].camera: the rig has no camera {name!r}"
                f"{nearest_name(name, cameras)}; it has {', '.join(cameras) or 'none'}"
            )
    return faults


def active(fault: AnyFault, time: float) -> bool:
    """Whether a fault is there at a time [s]: from its start up to, not at, its stop."""
    return time >= fault.start - _TICK and (fault.stop is None or time < fault.stop - _TICK)


def faulty_camera(
    fault: AnyFault, look: Look, times: Sequence[float], place: tuple[str | int, ...]
) -> Look:
    """A camera with one fault: frame -> picture.

    A delayed camera shows the latest picture taken `delay` ago or earlier, at first its very
    first. Where pictures are dropped, the latest one that came stays, black if none ever did.

    Args:
        fault: any; one that is not of cameras changes nothing.
        look: the camera without it.
        times: of the frames [s].
        place: scene, camera and number of the fault, which seed what is random.
    """

    def seen(frame: int) -> CameraFrame:
        frame = range(len(times))[frame]
        if not active(fault, times[frame]):
            return look(frame)
        if isinstance(fault, CameraFrozen):
            return look(_latest(times, fault.start - 2 * _TICK))
        if isinstance(fault, CameraDelayed):
            return look(_latest(times, times[frame] - fault.delay))
        if isinstance(fault, CameraDropped):
            return _held(fault, look, times, frame, place)
        shown = look(frame)
        return replace(shown, image=_spoilt(fault, shown.image, place))

    return seen


def faulty_lidar(fault: AnyFault, cloud: np.ndarray, place: tuple[str | int, ...]) -> np.ndarray:
    """A sweep (n, 6) with one fault that is active; others than the lidar's change nothing."""
    if isinstance(fault, LidarSparse):
        return cloud[draws_for(*place).random(len(cloud)) < fault.keep]
    if isinstance(fault, LidarBlind):
        width = fault.to_deg - fault.from_deg
        if width >= 360:
            return cloud[:0]
        beyond = np.degrees(np.arctan2(cloud[:, 1], cloud[:, 0])) - fault.from_deg
        return cloud[beyond % 360 > width % 360]
    return cloud


def status_noise(faults: Sequence[AnyFault], time: float) -> StatusNoise | None:
    """The noise on the ego's status at a time [s]: that of the last fault that says some."""
    found = [f for f in faults if isinstance(f, StatusNoisy) and active(f, time)]
    if not found:
        return None
    said = found[-1]
    heading = float(np.radians(said.heading_deg))
    return StatusNoise(said.position, heading, said.speed, said.acceleration)


def _latest(times: Sequence[float], until: float) -> int:
    """The last frame not after a time; the first one where all are after it."""
    return max(int(np.searchsorted(np.asarray(times), until + _TICK, side="right")) - 1, 0)


def _held(
    fault: CameraDropped,
    look: Look,
    times: Sequence[float],
    frame: int,
    place: tuple[str | int, ...],
) -> CameraFrame:
    """The latest picture that came."""
    for at in range(frame, -1, -1):
        if not active(fault, times[at]) or draws_for(*place, at).random() >= fault.share:
            return look(at)
    shown = look(frame)
    return replace(shown, image=np.zeros_like(shown.image))


def _spoilt(fault: AnyFault, image: np.ndarray, place: tuple[str | int, ...]) -> np.ndarray:
    if isinstance(fault, CameraBlack):
        return np.zeros_like(image)
    if isinstance(fault, CameraBlurred):
        return blurred(image, fault.sigma)
    if isinstance(fault, CameraOverexposed):
        return overexposed(image, fault.gain)
    if isinstance(fault, CameraDirty):
        return dirty(image, fault.share, *place)
    return image
