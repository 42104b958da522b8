"""Recorded logs as captures: pictures of several cameras, coloured lidar points, tracked boxes.

Moments lie at about equal distances along the drive; each is seen by all cameras. Every picture has
the pose of its own time, boxes are put to that time, too, and the lidar sweep nearest in time gives
depths. Colours of points come from pictures that are learned from only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from drivelab.data.camera_log import CameraLog, LoggedPicture
from drivelab.data.photographs import Lens, Photograph
from drivelab.errors import ConfigError, DataError
from drivelab.kernels.splat import Cameras
from drivelab.training.reconstruction.boxes import Boxes, split_boxes
from drivelab.training.reconstruction.capture import Capture, Track
from drivelab.training.reconstruction.photographs import sampled
from drivelab.training.reconstruction.points import depth_picture, thinned
from drivelab.training.reconstruction.spacing import nearest_frames
from drivelab.training.reconstruction.sweeps import (
    GREY,
    add_colours,
    ground_below,
    members,
    moved_points,
    nearest_in_time,
    swept,
)
from drivelab.training.reconstruction.views import Nodes, Views, split

APART = 100_000  # pictures of one moment are at most so far apart [us]
FRESH = 250_000  # a sweep tells depths of pictures at most so far away [us]
AHEAD = 500_000  # sweeps so far before the first moment and after the last one are used [us]
PLENTY = 20  # so many times the wanted points are thinned; a log has hundreds of times as many


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which part of a log is looked at, and how.

    Attributes:
        frames: moments at most, at about equal distances along the drive.
        begin: after the first picture [s].
        seconds: that are looked at; None: to the end.
        width: of the views [px]; smaller pictures are not made larger.
        points: from lidar at most.
        hold_out: every so many-th moment is not learned from; 0: none.
        seed: of which points are kept.
    """

    frames: int = 40
    begin: float = 0.0
    seconds: float | None = None
    width: int = 480
    points: int = 50_000
    hold_out: int = 8
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Views of a log with their times [us], and what tells where they are on the map."""

    views: Views
    times: Int[np.ndarray, " v"]
    map_from_scene: Float[np.ndarray, "4 4"]


def log_capture(log: CameraLog, options: LogOptions) -> Capture:
    """What a scene of a log is learned from.

    Raises:
        DataError: pictures that cannot be read, no lidar, a camera without pictures of a moment.
        ConfigError: a part of the log that holds nothing, or one moment of which some are held out.
    """
    moments = _moments(log, options)
    shots = [picture for moment in moments for picture in moment]
    times = np.array([shot.time for shot in shots], np.int64)
    scene = _origin(log, shots)
    views = _views(log, moments, scene, options.width)
    learned, _ = split(views, options.hold_out)
    if not len(learned):
        raise ConfigError(
            f"hold_out={options.hold_out}: {log.name} shows {len(moments)} moment here, which is "
            "held out; take hold_out=0, or more moments: log.frames, log.begin, log.seconds"
        )
    seen = _Seen(views, times, scene)
    sweeps, stamps = _sweeps(log, seen)
    at_sweeps, at_views = (_boxes(log, scene, found) for found in (stamps, times))
    coloured = [
        _coloured(points, int(stamp), m, seen, (at_sweeps, at_views), learned)
        for m, (points, stamp) in enumerate(zip(sweeps, stamps, strict=True))
    ]
    depths = _depths(sweeps, stamps, seen, (at_sweeps, at_views))
    tracks, _, standing = split_boxes(at_sweeps, coloured, options.seed)
    nodes = _nodes(tracks, at_views)
    cloud = _drawn(standing, PLENTY * options.points, options.seed)
    cloud = cloud[thinned(cloud[:, :3], views.eyes, options.points, seed=options.seed)]
    views = Views(views.images, views.cameras, depths, None, views.groups, nodes, views.frames)
    cameras = list(log.pictures)
    return Capture(
        log.name, views, cloud[:, :3].astype(float), cloud[:, 3:].astype(float),
        tracks=tracks, times=(times - times[0]) / 1e6, map_from_scene=scene, upright=True,
        licence=log.licence,
        info={"source": log.name, "cameras": cameras, "frames": len(moments),
              "sweeps": len(sweeps)},
    )  # fmt: skip


def _moments(log: CameraLog, options: LogOptions) -> list[list[LoggedPicture]]:
    """Pictures of all cameras at moments along the drive."""
    first, *others = log.pictures.values()
    start = first[0].time + round(options.begin * 1e6)
    stop = np.inf if options.seconds is None else start + options.seconds * 1e6
    whole = []
    for picture in first:
        if start <= picture.time <= stop:
            beside = [_at_time(pictures, picture.time) for pictures in others]
            if all(found is not None for found in beside):
                whole.append([picture, *(found for found in beside if found is not None)])
    if not whole:
        counts = ", ".join(f"{name}: {len(found)}" for name, found in log.pictures.items())
        span = (first[-1].time - first[0].time) / 1e6
        raise ConfigError(
            f"{log.name}: no moment of which all cameras have a picture within "
            f"{APART / 1e6} s, from log.begin={options.begin} on for log.seconds="
            f"{options.seconds}; the log shows {span:.1f} s, pictures of {counts}: choose another "
            "part, or fewer cameras by log.cameras="
        )
    eyes = np.array([moment[0].map_from_cam[:3, 3] for moment in whole])
    return [whole[n] for n in nearest_frames(eyes, options.frames).tolist()]


def _at_time(pictures: Sequence[LoggedPicture], time: int) -> LoggedPicture | None:
    found = pictures[nearest_in_time([picture.time for picture in pictures], time)]
    return found if abs(found.time - time) <= APART else None


def _origin(log: CameraLog, shots: Sequence[LoggedPicture]) -> Float[np.ndarray, "4 4"]:
    """map_from_scene: the first eye on whole metres, with the ground below the ego at height 0."""
    if not log.sweeps:
        raise DataError(
            "holds no lidar sweep; Gaussians begin at lidar points: fetch the log's lidar files, "
            "too",
            file=log.name,
        )
    found = np.eye(4)
    found[:2, 3] = np.round(shots[0].map_from_cam[:2, 3])
    near = log.sweeps[nearest_in_time([s.time for s in log.sweeps], shots[0].time)]
    low = np.array([0.0, 0.0, ground_below(near.read(), log.vehicle), 1.0])
    found[2, 3] = (near.map_from_ego @ low)[2]
    return found


def _views(
    log: CameraLog, moments: Sequence[Sequence[LoggedPicture]], map_from_scene: np.ndarray,
    width: int,
) -> Views:  # fmt: skip
    """Pictures of all moments, straightened and brought to one shape: that of the widest."""
    shots = [picture for moment in moments for picture in moment]
    widest = max((shot.lens for shot in shots), key=lambda lens: lens.width / lens.height)
    width = min(width, *(shot.lens.width for shot in shots))
    size = (width, max(1, round(width * widest.height / widest.width)))
    lenses = [_cropped(shot.lens, size) for shot in shots]
    images = [
        sampled(Photograph(shot.file, shot.lens, np.eye(4)), lens, size)
        for shot, lens in zip(shots, lenses, strict=True)
    ]
    scene_from_cam = np.linalg.inv(map_from_scene) @ np.stack([s.map_from_cam for s in shots])
    several = len(log.pictures)
    cameras = Cameras(np.linalg.inv(scene_from_cam), np.stack(lenses), *size)
    groups = np.tile(np.arange(several), len(moments))
    frames = np.repeat(np.arange(len(moments)), several)
    return Views(np.stack(images), cameras, groups=groups, frames=frames)


def _cropped(lens: Lens, size: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """Intrinsics of a pinhole that sees the whole width, and as much of the height as fits."""
    scale = size[0] / lens.width
    found = np.diag([scale, scale, 1.0]) @ lens.intrinsic
    found[1, 2] -= (lens.height * scale - size[1]) / 2
    return np.asarray(found)


def _sweeps(log: CameraLog, seen: _Seen) -> tuple[list[np.ndarray], Int[np.ndarray, " m"]]:
    """Sweeps of the part that is looked at, in the scene's frame, and their times [us]."""
    first, last = int(seen.times.min()) - AHEAD, int(seen.times.max()) + AHEAD
    used = [sweep for sweep in log.sweeps if first <= sweep.time <= last]
    if not used:
        raise DataError(
            f"no lidar sweep within {AHEAD / 1e6} s of the pictures, which were taken from "
            f"{seen.times.min()} to {seen.times.max()} us; Gaussians begin at lidar points: choose "
            "another part by log.begin and log.seconds",
            file=log.name,
        )
    scene_from_map = np.linalg.inv(seen.map_from_scene)
    points = [swept(sweep, log.vehicle, scene_from_map) for sweep in used]
    return points, np.array([sweep.time for sweep in used], np.int64)


def _boxes(log: CameraLog, map_from_scene: np.ndarray, times: Int[np.ndarray, " n"]) -> Boxes:
    """Boxes in the scene's frame at some times."""
    poses, valid = log.boxes.at(times)
    local = np.linalg.inv(map_from_scene) @ poses
    return Boxes(log.boxes.ids, log.boxes.kinds, log.boxes.sizes, local, valid)


def _coloured(
    points: Float[np.ndarray, "n 3"], time: int, number: int, seen: _Seen,
    boxes: tuple[Boxes, Boxes], learned: Int[np.ndarray, " l"],
) -> Float[np.ndarray, "n 6"]:  # fmt: skip
    """A sweep with the colours of the learned moment nearest in time; grey where none shows it."""
    views, (here, there) = seen.views, boxes
    near = learned[nearest_in_time(seen.times[learned], time)]
    colours = np.full(points.shape, np.nan, np.float32)
    owners = members(points, here.sizes, here.poses[:, number], here.valid[:, number])
    for view in learned[views.frames[learned] == views.frames[near]].tolist():  # type: ignore[index]
        moved, still = moved_points(points, owners, here.poses[:, number], there.poses[:, view],
                                    there.valid[:, view])  # fmt: skip
        moved[~still] = np.nan  # on no picture
        add_colours(colours, moved, views.images, views.cameras, view)
    found: np.ndarray = np.concatenate([points, np.nan_to_num(colours, nan=GREY)], 1)
    return found


def _drawn(
    sweeps: Sequence[Float[np.ndarray, "n 6"]], most: int, seed: int
) -> Float[np.ndarray, "m 6"]:
    """All sweeps as one, of each no more than its share of `most`, drawn at random."""
    rng = np.random.default_rng(seed)
    share = -(-most // len(sweeps))
    kept = [
        sweep if len(sweep) <= share else sweep[rng.choice(len(sweep), share, replace=False)]
        for sweep in sweeps
    ]
    return np.concatenate(kept)


def _depths(
    sweeps: Sequence[Float[np.ndarray, "n 3"]], stamps: Int[np.ndarray, " m"], seen: _Seen,
    boxes: tuple[Boxes, Boxes],
) -> Float[np.ndarray, "v h w"]:  # fmt: skip
    """Depths of the views by the sweep nearest in time, if it is near enough."""
    here, there = boxes
    found = np.zeros(seen.views.images.shape[:3], np.float32)
    for view, time in enumerate(seen.times.tolist()):
        m = nearest_in_time(stamps, time)
        if abs(int(stamps[m]) - time) > FRESH:
            continue
        owners = members(sweeps[m], here.sizes, here.poses[:, m], here.valid[:, m])
        moved, still = moved_points(sweeps[m], owners, here.poses[:, m], there.poses[:, view],
                                    there.valid[:, view])  # fmt: skip
        found[view] = depth_picture(moved[still], seen.views.cameras, view)
    return found


def _nodes(tracks: Sequence[Track], boxes: Boxes) -> Nodes | None:
    """Poses of the tracks at the views."""
    if not tracks:
        return None
    chosen = [boxes.ids.index(track.id) for track in tracks]
    return Nodes(boxes.poses[chosen], boxes.valid[chosen])
