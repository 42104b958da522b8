"""One 2 Hz frame of a NAVSIM log, checked and in the map frame.

Boxes are taken to the map frame as the official metric does: in the plane, by the ego heading only.
With roll and pitch that is up to centimetres from the box of the nuPlan database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.geometry.poses import compose, rotate, yaw_from_quaternion
from drivelab.types import KINDS, STATIC_KINDS, Command

MAP_NAMES = {"las_vegas": "us-nv-las-vegas-strip"}  # as the official metric code renames it


@dataclass(frozen=True, slots=True, eq=False)
class FrameBoxes:
    """Labelled boxes of a frame in the map frame; static kinds do not move."""

    tokens: tuple[str, ...]
    tracks: tuple[str, ...]
    kinds: tuple[str, ...]
    poses: Float[np.ndarray, "n 3"]
    sizes: Float[np.ndarray, "n 3"]  # length, width, height [m]
    velocities: Float[np.ndarray, "n 2"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What a log knows about one moment; ego pose is the rear axle in the map frame."""

    token: str
    time: int  # [us]
    scene_token: str
    map_name: str
    pose: Float[np.ndarray, "3"]
    velocity: Float[np.ndarray, "2"]  # float32 values, from which the official scorer starts
    acceleration: Float[np.ndarray, "2"]
    command: Command
    route: tuple[str, ...]
    lights: tuple[tuple[str, bool], ...]  # connector id, is red
    boxes: FrameBoxes | None  # None in logs without labels
    cameras: Mapping[str, Any]  # raw calibration and paths by camera name
    lidar_path: str | None
    ego_from_lidar: Float[np.ndarray, "4 4"] | None  # None: the cloud is in the ego frame


class Fields:
    """Checked access to the raw dict of a frame; errors name file, frame and key."""

    def __init__(self, raw: Any, file: str, where: str) -> None:
        if not isinstance(raw, dict):
            raise DataError(f"holds {type(raw).__name__}, expected a dict", file=file, where=where)
        self.raw, self.file, self.where = raw, file, where

    def error(self, key: str, problem: str) -> DataError:
        """The error of a key."""
        return DataError(problem, file=self.file, where=f"{self.where}, key {key}")

    def get(self, key: str) -> Any:
        """A key that must be there."""
        if key not in self.raw:
            raise self.error(key, f"is missing; there are {', '.join(sorted(map(str, self.raw)))}")
        return self.raw[key]

    def text(self, key: str) -> str:
        """A text."""
        value = self.get(key)
        if not isinstance(value, str):
            raise self.error(key, f"holds {type(value).__name__}, expected text")
        return str(value)

    def command(self) -> Command:
        """Where the route leads."""
        try:
            return parse_command(self.numbers("driving_command", (4,)))
        except ValueError as error:
            raise self.error("driving_command", str(error)) from None

    def integer(self, key: str) -> int:
        """A whole number."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise self.error(key, f"holds {value!r}, expected a whole number")
        return int(value)

    def numbers(self, key: str, shape: tuple[int | None, ...]) -> Float[np.ndarray, "..."]:
        """Finite numbers of a shape; None stands for any length."""
        value = self.get(key)
        try:
            array = np.asarray(value, float)
        except (TypeError, ValueError):
            raise self.error(key, f"holds {type(value).__name__}, expected numbers") from None
        if array.size == 0 and None in shape:
            return np.zeros(tuple(size or 0 for size in shape))
        if len(array.shape) != len(shape) or any(
            want is not None and want != have for want, have in zip(shape, array.shape, strict=True)
        ):
            raise self.error(key, f"has shape {array.shape}, expected {_shape_text(shape)}")
        if not np.isfinite(array).all():
            row = np.argwhere(~np.isfinite(array))[0].tolist()
            raise self.error(key, f"is NaN or infinite at index {row}")
        return array

    def sub(self, key: str) -> Fields:
        """A nested dict."""
        return Fields(self.get(key), self.file, f"{self.where}, key {key}")


def parse_frame(raw: Any, file: str, index: int) -> Frame:
    """Check the dict of a log frame and bring it into the map frame."""
    fields = Fields(raw, file, f"frame {index}")
    position = fields.numbers("ego2global_translation", (3,))
    rotation = fields.numbers("ego2global_rotation", (4,))
    if not np.linalg.norm(rotation) > 0:
        raise fields.error("ego2global_rotation", "is zero, expected a quaternion")
    pose = np.array([position[0], position[1], yaw_from_quaternion(rotation)])
    state = fields.numbers("ego_dynamic_state", (4,)).astype(np.float32).astype(float)
    location = fields.text("map_location")
    return Frame(
        token=fields.text("token"),
        time=fields.integer("timestamp"),
        scene_token=str(fields.raw.get("scene_token", "")),
        map_name=MAP_NAMES.get(location, location),
        pose=pose,
        velocity=state[:2],
        acceleration=state[2:],
        command=fields.command(),
        route=parse_route(fields),
        lights=parse_lights(fields),
        boxes=_log_boxes(fields, pose),
        cameras=fields.raw.get("cams") or {},
        lidar_path=_optional_text(fields.raw.get("lidar_path")),
        ego_from_lidar=_lidar_pose(fields),
    )


def parse_command(one_hot: Float[np.ndarray, " c"]) -> Command:
    """The driving command of a one-hot vector; all zero is unknown.

    Raises:
        ValueError: neither of them.
    """
    ones = np.flatnonzero(one_hot)
    if one_hot.shape != (len(Command),) or len(ones) > 1 or not np.isin(one_hot, (0, 1)).all():
        raise ValueError(f"{one_hot.tolist()}: expected one-hot of left, straight, right, unknown")
    return Command(int(ones[0])) if len(ones) else Command.UNKNOWN


def parse_route(fields: Fields) -> tuple[str, ...]:
    """Block ids of the route; empty where there is none."""
    value = fields.get("roadblock_ids")
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise fields.error("roadblock_ids", f"holds {type(value).__name__}, expected a list")
    return tuple(str(item) for item in value if str(item))


def parse_lights(fields: Fields) -> tuple[tuple[str, bool], ...]:
    """(connector id, is red) pairs."""
    value = fields.get("traffic_lights")
    try:
        return tuple((str(connector), bool(red)) for connector, red in value)
    except (TypeError, ValueError):
        raise fields.error("traffic_lights", "expected a list of (connector id, is red)") from None


def parse_boxes(
    fields: Fields, keys: tuple[str, str, str], pose: Float[np.ndarray, "3"]
) -> FrameBoxes:
    """Boxes of a frame; `keys` name boxes, classes and velocities in this kind of file."""
    boxes = fields.numbers(keys[0], (None, 7))
    velocities = fields.numbers(keys[2], (len(boxes) or None, 3))[:, :2]
    kinds = _texts(fields, keys[1], len(boxes))
    for row, kind in enumerate(kinds):
        if kind not in KINDS:
            raise fields.error(
                f"{keys[1]}[{row}]", f"unknown class {kind!r}, expected one of {', '.join(KINDS)}"
            )
    tracks = _texts(fields, "track_tokens", len(boxes))
    if len(set(tracks)) != len(tracks):
        twice = next(track for track in tracks if tracks.count(track) > 1)
        raise fields.error("track_tokens", f"track {twice} occurs twice in one frame")
    moving = np.array([kind not in STATIC_KINDS for kind in kinds], bool)
    return FrameBoxes(
        _texts(fields, "instance_tokens", len(boxes)),
        tracks,
        kinds,
        compose(pose, boxes[:, [0, 1, 6]]),
        boxes[:, 3:6].copy(),
        rotate(velocities, pose[2]) * moving[:, None],
    )


def _log_boxes(fields: Fields, pose: Float[np.ndarray, "3"]) -> FrameBoxes | None:
    if fields.raw.get("anns") is None:
        return None
    return parse_boxes(fields.sub("anns"), ("gt_boxes", "gt_names", "gt_velocity_3d"), pose)


def _texts(fields: Fields, key: str, count: int) -> tuple[str, ...]:
    value = fields.get(key)
    try:
        texts = tuple(str(item) for item in value)
    except (TypeError, ValueError):
        raise fields.error(key, f"holds {type(value).__name__}, expected texts") from None
    if len(texts) != count:
        raise fields.error(key, f"holds {len(texts)} entries for {count} boxes")
    return texts


def _optional_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _lidar_pose(fields: Fields) -> Float[np.ndarray, "4 4"] | None:
    if fields.raw.get("lidar2ego") is None:
        return None
    matrix = fields.numbers("lidar2ego", (4, 4))
    return None if np.array_equal(matrix, np.eye(4)) else matrix


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return " x ".join("n" if size is None else str(size) for size in shape)
