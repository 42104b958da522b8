"""One drive along our street, written as logs of other data sets: tables, pictures, sweeps.

Pictures are taken between the moments at which poses, boxes and sweeps are known, so that whoever
reads them has to put the ego and everybody else to the time of each picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av2_files import write
from nuscenes_files import write_tables
from nuscenes_frame import RealFrame
from PIL import Image
from scipy.spatial.transform import Rotation

from drivelab.sim.radlab import clip_scene
from drivelab.sim.sensors.rendered import RenderedSensors, stage_of_scene
from drivelab.sim.sensors.rendering import Rendering

CAMERAS = ("CAM_FRONT", "CAM_FRONT_LEFT", "CAM_BACK")
AV2_NAMES = ("ring_front_center", "ring_front_left", "ring_rear_left")
SCALE = 0.14  # of the rig's pictures
SHOWN = range(2, 38, 6)  # frames of pictures, all even
KNOWN = range(1, 41, 2)  # frames of poses and boxes
SCANNED = tuple(n + d for n in SHOWN for d in (-1, 1))
AXLE = 0.33  # height of Argoverse's ego frame above the ground [m]
PLACE = np.array([1500.0, -700.0, 12.0])  # of the map's origin in the logs [m]


@dataclass(frozen=True)
class Drive:
    """What was seen, and the truth behind it; `ego` is on the ground, in the logs' map frame."""

    times: np.ndarray  # (t,) [us]
    ego: np.ndarray  # (t, 4, 4) map_from_ego
    frames: dict[int, dict[str, Any]]  # by frame and camera: CameraFrame
    depths: dict[tuple[int, str], np.ndarray]
    sweeps: dict[int, np.ndarray]
    ids: tuple[str, ...]
    kinds: tuple[str, ...]
    sizes: np.ndarray  # (k, 3)
    boxes: np.ndarray  # (t, k, 4, 4) map_from_box, at the centre
    valid: np.ndarray  # (t, k)


def drive(clip: str = "test-0003-lane_drop") -> Drive:
    """Look at it: some seconds."""
    scene = clip_scene(clip)
    stage = stage_of_scene(scene, Rendering("nuscenes", SCALE))
    recorded = RenderedSensors(stage, scene)
    move = np.eye(4)
    move[:3, 3] = PLACE
    count = max(KNOWN) + 1
    shots = {n: recorded.shot(n) for n in (*SHOWN, *KNOWN)}
    ego = np.tile(np.eye(4), (count, 1, 1))
    kinds = {name: actor for shot in shots.values() for name, actor in shot.scene.actors.items()}
    boxes = np.tile(np.eye(4), (count, len(kinds), 1, 1))
    valid = np.zeros((count, len(kinds)), bool)
    for n, shot in shots.items():
        ego[n] = move @ shot.scene_from_ego
        for k, (name, actor) in enumerate(kinds.items()):
            if name in shot.moment.poses:
                boxes[n, k], valid[n, k] = move @ shot.moment.poses[name], True
                boxes[n, k, 2, 3] += actor.size[2] / 2
    frames = {n: shots[n].cameras(CAMERAS) for n in SHOWN}
    depths = {(n, name): shots[n].targets(name).depths[0] for n in SHOWN for name in CAMERAS}
    sweeps = {n: shots[n].lidar()[:, :3] for n in SCANNED}
    return Drive(
        scene.ego.times[:count], ego, frames, depths, sweeps, tuple(kinds),
        tuple(actor.kind for actor in kinds.values()),
        np.array([actor.size for actor in kinds.values()]), boxes, valid,
    )  # fmt: skip


def pose_of(frame: Any) -> np.ndarray:
    """ego_from_cam of a picture."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = frame.ego_from_cam_rotation, frame.ego_from_cam_translation
    return pose


def wxyz(pose: np.ndarray) -> list[float]:
    found: list[float] = Rotation.from_matrix(pose[:3, :3]).as_quat()[[3, 0, 1, 2]].tolist()
    return found


def write_av2(folder: Path, seen: Drive) -> Path:
    """A log folder; the front picture is cut to a portrait, as the data set has it."""
    up = np.eye(4)
    up[2, 3] = AXLE
    stamps = 1000 * np.asarray(seen.times, np.int64) + 315_966_000_000_000_000 + 123
    rows = [(int(stamps[n]), seen.ego[n] @ up) for n in KNOWN]
    (folder / "calibration").mkdir(parents=True)
    write(folder / "city_SE3_egovehicle.feather", _pose_table(rows))
    boxes = [(n, k) for n in KNOWN for k in range(len(seen.ids)) if seen.valid[n, k]]
    poses = [(int(stamps[n]), np.linalg.inv(seen.ego[n] @ up) @ seen.boxes[n, k])
             for n, k in boxes]  # fmt: skip
    write(folder / "annotations.feather", {
        **_pose_table(poses), "track_uuid": [seen.ids[k] for _, k in boxes],
        "category": ["REGULAR_VEHICLE"] * len(boxes),
        **{key: [float(seen.sizes[k, i]) for _, k in boxes]
           for i, key in enumerate(("length_m", "width_m", "height_m"))},
    })  # fmt: skip
    inner, outer = [], []
    for name, camera in zip(AV2_NAMES, CAMERAS, strict=True):
        part = folder / "sensors" / "cameras" / name
        part.mkdir(parents=True)
        for n in SHOWN:
            frame = seen.frames[n][camera]
            image, lens = frame.image, np.array(frame.intrinsic)
            if name == "ring_front_center":
                wide, high = image.shape[1], image.shape[0]
                left = (wide - high * 3 // 4) // 2
                image, lens[0, 2] = image[:, left : wide - left], lens[0, 2] - left
            Image.fromarray(image).save(part / f"{stamps[n]}.jpg", quality=95)
        inner.append((name, lens, image.shape))
        outer.append((name, np.linalg.inv(up) @ pose_of(frame)))
    write(folder / "calibration" / "intrinsics.feather", {
        "sensor_name": [name for name, _, _ in inner],
        "fx_px": [m[0, 0] for _, m, _ in inner], "fy_px": [m[1, 1] for _, m, _ in inner],
        "cx_px": [m[0, 2] for _, m, _ in inner], "cy_px": [m[1, 2] for _, m, _ in inner],
        "k1": [-0.28] * 3, "k2": [-0.04] * 3, "k3": [0.1] * 3,
        "height_px": [s[0] for _, _, s in inner], "width_px": [s[1] for _, _, s in inner],
    })  # fmt: skip
    table = _pose_table([(0, pose) for _, pose in outer])
    del table["timestamp_ns"]
    names = {"sensor_name": [name for name, _ in outer]}
    write(folder / "calibration" / "egovehicle_SE3_sensor.feather", {**names, **table})
    (folder / "sensors" / "lidar").mkdir()
    for n, points in seen.sweeps.items():
        x, y, z = points.astype(float).T
        zero = np.zeros(len(points), np.uint8)
        write(folder / "sensors" / "lidar" / f"{stamps[n]}.feather", {
            "x": x, "y": y, "z": z - AXLE, "intensity": zero, "laser_number": zero,
        })  # fmt: skip
    return folder


def _pose_table(rows: list[tuple[int, np.ndarray]]) -> dict[str, Any]:
    quaternions = np.array([wxyz(pose) for _, pose in rows]).reshape(-1, 4)
    found: dict[str, Any] = {"timestamp_ns": np.array([stamp for stamp, _ in rows], np.int64)}
    found |= {key: quaternions[:, i] for i, key in enumerate(("qw", "qx", "qy", "qz"))}
    places = np.array([pose[:3, 3] for _, pose in rows]).reshape(-1, 3)
    return found | {key: places[:, i] for i, key in enumerate(("tx_m", "ty_m", "tz_m"))}


def write_nuscenes(root: Path, seen: Drive) -> Path:
    """Official tables of one scene: key frames where boxes are known, a pose for every file."""
    made = _Tables(root)
    for n in KNOWN:
        made.sample(f"s{n}", int(seen.times[n]))
        for k in np.flatnonzero(seen.valid[n]).tolist():
            made.box(f"s{n}", seen.ids[k], seen.sizes[k], seen.boxes[n, k])
    for n in SHOWN:
        for camera in CAMERAS:
            frame = seen.frames[n][camera]
            made.picture(f"s{n - 1}", camera, int(seen.times[n]), seen.ego[n], pose_of(frame),
                         np.asarray(frame.intrinsic), frame.image)  # fmt: skip
    for n, points in seen.sweeps.items():
        cloud = np.zeros((len(points), 5), np.float32)
        cloud[:, :3] = points - (0.9, 0.0, 1.84)
        mount = np.eye(4)
        mount[:3, 3] = 0.9, 0.0, 1.84
        made.sweep(f"s{n}", int(seen.times[n]), seen.ego[n], mount, cloud)
    return made.write()


def write_real_frame(root: Path, frame: RealFrame, stamp: int = 1_532_402_927_647_951) -> Path:
    """The one real nuScenes frame as official tables, with its pictures beside them."""
    made = _Tables(root)
    made.sample("s0", stamp)
    ego = np.eye(4)
    ego[:3, 3] = PLACE
    for name, camera in frame.cameras.items():
        (file,) = frame.folder.glob(f"*__{name}__*.jpg")
        made.picture("s0", name, stamp + round(camera.after * 1e6),
                     ego @ np.linalg.inv(frame.ego_moved(name)), camera.ego_from_cam,
                     camera.intrinsic, np.asarray(Image.open(file)))  # fmt: skip
    made.sweep("s0", stamp, ego, frame.ego_from_lidar, frame.cloud.astype(np.float32))
    return made.write()


class _Tables:
    """Rows of one scene that grow."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("sample", "sample_data", "ego_pose", "calibrated_sensor",
                                  "sensor", "sample_annotation", "instance")
        }  # fmt: skip
        self.rows["category"] = [{"token": "c", "name": "vehicle.car"}]
        self.rows["log"] = [{"token": "l", "location": "test-town"}]

    def sample(self, token: str, time: int) -> None:
        if self.rows["sample"]:
            self.rows["sample"][-1]["next"] = token
        self.rows["sample"].append({"token": token, "timestamp": time, "next": "", "prev": ""})

    def box(self, sample: str, track: str, size: np.ndarray, pose: np.ndarray) -> None:
        self.rows["instance"] += (
            [] if any(row["token"] == track for row in self.rows["instance"])
            else [{"token": track, "category_token": "c"}]
        )  # fmt: skip
        length, width, height = size.tolist()
        self.rows["sample_annotation"].append({
            "token": f"{sample}-{track}", "sample_token": sample, "instance_token": track,
            "size": [width, length, height], "translation": pose[:3, 3].tolist(),
            "rotation": wxyz(pose),
        })  # fmt: skip

    def picture(
        self, sample: str, name: str, time: int, ego: np.ndarray, mount: np.ndarray,
        lens: np.ndarray, image: np.ndarray,
    ) -> None:  # fmt: skip
        file = self._file(sample, name, time, ego, mount, lens, "jpg", image.shape)
        Image.fromarray(image).save(file, quality=95)

    def sweep(
        self, sample: str, time: int, ego: np.ndarray, mount: np.ndarray, cloud: np.ndarray
    ) -> None:
        cloud.tofile(self._file(sample, "LIDAR_TOP", time, ego, mount, None, "pcd.bin", (0, 0)))

    def _file(
        self, sample: str, name: str, time: int, ego: np.ndarray, mount: np.ndarray, lens: Any,
        ending: str, shape: tuple[int, ...],
    ) -> Path:  # fmt: skip
        if not any(row["token"] == name for row in self.rows["sensor"]):
            self.rows["sensor"].append({"token": name, "channel": name})
            self.rows["calibrated_sensor"].append({
                "token": name, "sensor_token": name, "translation": mount[:3, 3].tolist(),
                "rotation": wxyz(mount), "camera_intrinsic": [] if lens is None else lens.tolist(),
            })  # fmt: skip
        token, place = f"{name}-{time}", f"samples/{name}/{name}__{time}.{ending}"
        self.rows["ego_pose"].append({
            "token": token, "timestamp": time, "translation": ego[:3, 3].tolist(),
            "rotation": wxyz(ego),
        })  # fmt: skip
        self.rows["sample_data"].append({
            "token": token, "sample_token": sample, "ego_pose_token": token, "timestamp": time,
            "calibrated_sensor_token": name, "filename": place, "height": shape[0],
            "width": shape[1],
        })  # fmt: skip
        (self.root / place).parent.mkdir(parents=True, exist_ok=True)
        return self.root / place

    def write(self) -> Path:
        first = self.rows["sample"][0]["token"]
        scene = {"token": "t", "name": "scene-0001", "log_token": "l", "first_sample_token": first}
        write_tables(self.root / "v1.0-mini", {**self.rows, "scene": [scene]})
        return self.root
