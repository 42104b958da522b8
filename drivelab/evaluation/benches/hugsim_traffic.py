"""The others of a HUGSIM scenario: rows [right, ahead, height, yaw, speed, vehicle, planner, ...].

ConstantPlanner drives straight on, IDM along the recorded way (straight on where it starts beside
it), AttackPlanner makes for the ego once, UnicyclePlanner repeats the fitted drive of a recorded
vehicle. Yaw is relative to the first camera, right positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float

from drivelab.errors import DataError, nearest_name
from drivelab.evaluation.benches.hugsim_road import LANE, LIMIT
from drivelab.geometry.polyline import arc_lengths
from drivelab.geometry.poses import compose, wrap_angle
from drivelab.planning import IDMParameters
from drivelab.sim.scenario.imports.fields import Fields, number_list
from drivelab.sim.scenario.imports.hugsim import ATTACK_AHEAD, CONTROLLERS, IDM
from drivelab.sim.splats.formats.hugsim_frames import FittedDrive, read_drive
from drivelab.sim.world.episode import ActorSpec, Behaviour, Drive, Motion, Parked, Replay, Walk
from drivelab.types import Tracks

DURATION = 100.0  # 400 steps of 0.25 s [s]
DT = 0.1  # of repeated drives [s]
BESIDE = 2.0  # how far from the way an IDM vehicle may start and follow it [m]
ALONG = np.pi / 4  # how far its heading may be off the way's [rad]
BRAKING = 8.0  # hardest that an IDM vehicle brakes [m/s^2]
_ROW = 7


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What rows of a scenario refer to.

    Attributes:
        file: the scenario.
        scene: folder of the scene, which holds fitted drives.
        vehicles: folder of vehicles, one folder each.
        way: (m, 3) the recorded way.
        ego: (3,) where the ego starts, the middle of its box.
    """

    file: Path
    scene: Path
    vehicles: Path
    way: Float[np.ndarray, "m 3"]
    ego: Float[np.ndarray, "3"]


def traffic(rows: Any, around: Surroundings) -> tuple[tuple[ActorSpec, ...], Tracks | None]:
    """Actors of a scenario's `plan_list`, and the drives that some of them repeat.

    Raises:
        DataError: a row is not as expected, its planner is unknown, its vehicle or fitted drive is
            missing or damaged; says which and where it was looked for.
    """
    if not isinstance(rows, list):
        raise DataError("expected a list of rows", file=around.file, where="plan_list")
    actors: list[ActorSpec] = []
    drives: list[tuple[str, tuple[float, float], np.ndarray]] = []
    for n, row in enumerate(rows):
        actor, repeated = _actor(row, n, len(drives), around)
        actors.append(actor)
        if repeated is not None:
            drives.append((actor.id, actor.size, repeated))
    return tuple(actors), _tracks(drives) if drives else None


def pose_of(right: float, ahead: float, yaw: float) -> Float[np.ndarray, "3"]:
    """x, y, yaw in the map frame of HUGSIM's a, b and yaw, right positive."""
    return np.array([ahead, -right, float(wrap_angle(np.array(-yaw)))])


def _actor(
    row: Any, number: int, repeated: int, around: Surroundings
) -> tuple[ActorSpec, np.ndarray | None]:
    where = f"plan_list[{number}]"
    if not isinstance(row, list) or len(row) < _ROW:
        raise DataError(
            "expected [right, ahead, height, yaw, speed, vehicle, planner, options]",
            file=around.file,
            where=where,
        )
    right, ahead, _, yaw, speed = number_list(row[:5], str(around.file), where, 5)
    planner, said = row[6], row[_ROW] if len(row) > _ROW else {}
    if planner not in CONTROLLERS:
        raise DataError(f"unknown planner {planner!r}{nearest_name(str(planner), CONTROLLERS)}; "
                        f"expected one of {', '.join(CONTROLLERS)}", file=around.file,
                        where=where)  # fmt: skip
    options = Fields({} if said is None else said, str(around.file), where)
    size = _size(row[5], around, where)
    pose, track = pose_of(right, ahead, yaw), None
    motion: Motion
    acts: tuple[Behaviour, ...] = ()
    if planner == "UnicyclePlanner":
        track = _repeated(options, around, where)
        pose, motion = track[0], Replay(repeated)
        speed = float(np.hypot(*(track[1] - track[0])[:2]) / DT)
    elif planner == "IDM":
        motion = _idm(options, pose, around)
    else:
        motion = _straight(pose, speed)
        if planner == "AttackPlanner":
            acts = (_attack(pose, speed, around),)
    actor = ActorSpec(f"agent_{number}", "vehicle", size, pose, abs(speed), motion, acts,
                      role="car", look=_look(row[5], around))  # fmt: skip
    return actor, track


def _size(vehicle: Any, around: Surroundings, where: str) -> tuple[float, float]:
    """Length and width of a vehicle [m]."""
    if not isinstance(vehicle, str) or Path(vehicle).is_absolute() or ".." in Path(vehicle).parts:
        raise DataError(f"names the vehicle {str(vehicle)[:60]!r}; expected a folder below "
                        f"{around.vehicles}", file=around.file, where=where)  # fmt: skip
    file = around.vehicles / vehicle / "wlh.json"
    try:
        width, length, _ = msgspec.json.decode(file.read_bytes(), type=tuple[float, float, float])
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror}); HUGSIM's vehicles (3DRealCar) are looked for "
            f"below {around.vehicles}: bench.vehicles=DIR names another folder",
            file=file,
        ) from error
    except msgspec.DecodeError as error:
        raise DataError(f"{error}; expected [width, length, height]", file=file) from error
    if not (0.1 < width < 20.0 and 0.1 < length < 40.0):
        raise DataError(f"{width} x {length} m; expected the size of a vehicle", file=file)
    return length, width


def _look(vehicle: str, around: Surroundings) -> str:
    """The file that shows a vehicle; one that is not there leaves a shape of drivelab's own."""
    file = around.vehicles / vehicle / "gs.pth"
    return str(file) if file.is_file() else ""


def _straight(pose: Float[np.ndarray, "3"], speed: float, *, keeps_gap: bool = False) -> Motion:
    """Straight on for the whole episode; backwards where the speed is below 0."""
    if not speed:
        return Parked()
    heading = np.array([np.cos(pose[2]), np.sin(pose[2])]) * np.sign(speed)
    far = pose[:2] + heading * max(abs(speed) * DURATION, 20.0)
    yaw = float(np.arctan2(heading[1], heading[0]))
    path = np.array([[*pose[:2], yaw], [*far, yaw]])
    return Walk(path, abs(speed), keeps_gap=keeps_gap)


def _idm(options: Fields, pose: Float[np.ndarray, "3"], around: Surroundings) -> Motion:
    said = {key: options.number(key, default) for key, default in IDM.items()}
    away = np.hypot(*(around.way[:, :2] - pose[:2]).T)
    nearest = int(away.argmin())
    turned = abs(float(wrap_angle(np.array(around.way[nearest, 2] - pose[2]))))
    if away[nearest] > BESIDE or turned > ALONG:
        return _straight(pose, said["v0"], keeps_gap=True)
    driver = IDMParameters(
        min_gap=said["s0"], headway=said["T"], acceleration=said["a"], deceleration=said["b"],
        exponent=said["delta"], braking_limit=BRAKING,
    )  # fmt: skip
    return Drive((LANE,), driver, pace=said["v0"] / LIMIT, lane_changes=False)


def _attack(pose: Float[np.ndarray, "3"], speed: float, around: Surroundings) -> Behaviour:
    """Make for the ego's way so that the two meet, and stay on it."""
    along = arc_lengths(around.way[:, :2])
    at = along[int(np.hypot(*(around.way[:, :2] - pose[:2]).T).argmin())]
    turned = abs(float(wrap_angle(pose[2] - around.ego[2])))
    onward = -ATTACK_AHEAD if turned > np.pi / 2 else ATTACK_AHEAD
    stops = np.clip([at + onward, at + 2 * onward], 0.0, along[-1])
    points = np.stack([np.interp(stops, along, around.way[:, k]) for k in range(2)], 1)
    points = np.concatenate([pose[None, :2], points])
    points = points[np.concatenate([[True], np.hypot(*np.diff(points, axis=0).T) > 0.5])]
    if len(points) < 2:
        points = compose(pose, np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))[:, :2]
    headings = np.arctan2(*np.diff(points, axis=0).T[::-1])
    path = np.column_stack([points, np.append(headings, headings[-1])])
    return Behaviour("follow_path", values={"speed": max(abs(speed), 1.0), "meet": 1.0}, path=path)


def _repeated(options: Fields, around: Surroundings, where: str) -> Float[np.ndarray, "t 3"]:
    """Poses of a fitted drive every `DT`, at the pace that the row asks for."""
    which, pace = options.get("uc_id"), options.number("speed", 1.0)
    if type(which) not in (int, str) or Path(name := f"unicycle_{which}.pth").name != name:
        raise DataError(f"uc_id {str(which)[:40]!r}; expected the number of a recorded vehicle",
                        file=around.file, where=where)  # fmt: skip
    if not 0.0 < pace <= 10.0:
        raise DataError(f"speed {pace}; expected a pace above 0, 1 = as recorded",
                        file=around.file, where=where)  # fmt: skip
    fitted: FittedDrive = read_drive(around.scene / f"unicycle_{which}.pth")
    return fitted.at(pace * DT * np.arange(round(DURATION / DT) + 1))


def _tracks(drives: list[tuple[str, tuple[float, float], np.ndarray]]) -> Tracks:
    poses = np.stack([track for _, _, track in drives], 1)
    poses[..., 2] = wrap_angle(poses[..., 2])
    return Tracks(
        ids=tuple(name for name, _, _ in drives),
        kinds=("vehicle",) * len(drives),
        sizes=np.array([size for _, size, _ in drives]),
        poses=poses,
        velocities=np.gradient(poses[..., :2], DT, axis=0),
        valid=np.ones(poses.shape[:2], bool),
        dt=DT,
    )
