"""Pictures, sweeps and boxes of a NAVSIM / OpenScene log: 2 Hz frames, eight cameras.

Pictures are as the lens bent them; a log gives OpenCV's k1, k2, p1, p2, k3. It does not say when a
picture was taken: its frame's time and pose stand for it, which is wrong by what the vehicle drives
in up to 50 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from drivelab.data.camera_log import (
    CameraLog,
    LoggedBoxes,
    LoggedPicture,
    LoggedSweep,
    boxes_of_rows,
    chosen_cameras,
)
from drivelab.data.navsim.frame import Fields, Frame
from drivelab.data.navsim.log import NavsimLog
from drivelab.data.navsim.scene import LICENCE
from drivelab.data.navsim.sensors import NavsimSensors, inside_root
from drivelab.data.photographs import Lens, rigid
from drivelab.data.timed_poses import rigid_poses
from drivelab.errors import DataError
from drivelab.types import PACIFICA

RING = (
    "CAM_F0", "CAM_L0", "CAM_R0", "CAM_L1", "CAM_R1", "CAM_L2", "CAM_R2", "CAM_B0",
)  # fmt: skip


def read_camera_log(file: Path, cameras: Sequence[str] | None = None) -> CameraLog:
    """Read what a scene can be learned from; pictures and sweeps are opened when asked for.

    Args:
        file: ROOT/navsim_logs/SPLIT/LOG.pkl, with ROOT/sensor_blobs/SPLIT beside it.
        cameras: names; None: all eight.

    Raises:
        DataError: a file is missing or damaged.
        ConfigError: a camera is not there.
    """
    if file.is_dir():
        logs = sorted(file.glob("navsim_logs/*/*.pkl")) or sorted(file.glob("*.pkl"))
        shown = f"; there is {logs[0]}" if logs else ""
        raise DataError(f"is a folder; expected a log, ROOT/navsim_logs/SPLIT/LOG.pkl{shown}",
                        file=file)  # fmt: skip
    log = NavsimLog(file)
    blobs = file.resolve().parents[2] / "sensor_blobs" / file.resolve().parent.name
    frames = [log.frame(index) for index in range(len(log))]
    places = [_place(log, index) for index in range(len(log))]
    known = dict.fromkeys(name for frame in frames for name in frame.cameras)
    pictures = {
        name: tuple(_pictures(log, blobs, frames, places, name)) for name in known
    }  # fmt: skip
    there = {name: found for name, found in pictures.items() if found}
    names = chosen_cameras(cameras, there, RING, blobs)
    return CameraLog(
        log.name, {name: there[name] for name in names},
        tuple(_sweeps(blobs, frames, places, str(file))), _boxes(log, frames, places),
        PACIFICA, LICENCE,
    )  # fmt: skip


def _fields(log: NavsimLog, index: int) -> Fields:
    return Fields(log.raw[index], str(log.file), f"frame {index}")


def _place(log: NavsimLog, index: int) -> Float[np.ndarray, "4 4"]:
    """map_from_ego in space; the frame was checked before."""
    fields = _fields(log, index)
    turn = fields.numbers("ego2global_rotation", (4,))
    place = fields.numbers("ego2global_translation", (3,))
    return np.asarray(rigid_poses((turn / np.linalg.norm(turn))[None], place[None])[0])


def _pictures(
    log: NavsimLog, blobs: Path, frames: Sequence[Frame], places: Sequence[np.ndarray], name: str
) -> Iterator[LoggedPicture]:
    """Pictures of a camera that are on disk: many splits come with those of some frames only."""
    for index, (frame, place) in enumerate(zip(frames, places, strict=True)):
        if name not in frame.cameras:
            continue
        cams = Fields(dict(frame.cameras), str(log.file), f"frame {index}, key cams")
        fields = cams.sub(name)
        file = inside_root(blobs, fields.text("data_path"), file=str(log.file), where=fields.where)
        if file.is_file():
            mount = np.eye(4)
            mount[:3, :3] = fields.numbers("sensor2lidar_rotation", (3, 3))
            mount[:3, 3] = fields.numbers("sensor2lidar_translation", (3,))
            rigid(mount, file=log.file, where=f"{fields.where}, key sensor2lidar_rotation")
            if frame.ego_from_lidar is not None:
                mount = frame.ego_from_lidar @ mount
            yield LoggedPicture(file, frame.time, _lens(fields, file), place @ mount)


def _lens(fields: Fields, file: Path) -> Lens:
    """Calibration of a picture; its size is that of the picture, the log does not tell it."""
    try:
        with Image.open(file) as opened:
            wide, high = opened.size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"is no picture that can be read ({error}); expected JPEG, fetch it again",
                        file=file) from error  # fmt: skip
    matrix = fields.numbers("cam_intrinsic", (3, 3))
    lens = Lens("pinhole", wide, high, matrix, fields.numbers("distortion", (5,)))
    lens.check(Path(fields.file), f"{fields.where}, key cam_intrinsic")
    return lens


def _sweeps(
    blobs: Path, frames: Sequence[Frame], places: Sequence[np.ndarray], file: str
) -> Iterator[LoggedSweep]:
    sensors = NavsimSensors(blobs, tuple(frames), file)
    for index, (frame, place) in enumerate(zip(frames, places, strict=True)):
        if frame.lidar_path is not None:
            where = f"frame {index}, key lidar_path"
            if inside_root(blobs, frame.lidar_path, file=file, where=where).is_file():
                yield LoggedSweep(frame.time, place, partial(_points, sensors, index))


def _points(sensors: NavsimSensors, index: int) -> Float[np.ndarray, "n 3"]:
    return np.asarray(sensors.lidar(index)[:, :3], float)


def _boxes(
    log: NavsimLog, frames: Sequence[Frame], places: Sequence[np.ndarray]
) -> LoggedBoxes:  # fmt: skip
    """Boxes in space: the reader of scenes turns them about the vertical only."""
    rows = []
    for index, (frame, place) in enumerate(zip(frames, places, strict=True)):
        if frame.boxes is None or not len(frame.boxes.tracks):
            continue
        raw = _fields(log, index).sub("anns").numbers("gt_boxes", (None, 7))
        half = raw[:, 6] / 2
        turns = np.column_stack([np.cos(half), 0 * half, 0 * half, np.sin(half)])
        poses = place @ rigid_poses(turns, raw[:, :3])
        rows += [
            (track, kind, frame.time, size, pose)
            for track, kind, size, pose in zip(
                frame.boxes.tracks, frame.boxes.kinds, raw[:, 3:6], poses, strict=True
            )
        ]
    return boxes_of_rows(rows)
