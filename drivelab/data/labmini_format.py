"""Bytes of one recorded log of labmini: a JSON header, then columns of delta-coded integers.

Layout: 4 bytes little-endian length of the header, the header (UTF-8 JSON), the columns one after
the other. The header's `columns` lists (name, shape). Every column is int32, little-endian; columns
of points are differences along the first axis. Positions are in mm from the log's own origin,
angles in 1e-5 rad, speeds and accelerations in 1e-3 of their unit.

Only recordings on maps of drivelab's generator go through here. They are flat, have no signs, let
everybody change lanes, and their lights are those of the recording, frame by frame: heights, marks
and traffic control have no place in the file, and a map that has some is refused. (A stored rollout
holds no map at all: scoring it again, or reading it as a scene, takes the map from its bench.) The
name of a connector's turn is for making maps and is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import shapely

from drivelab.data.lane_polygons import block_polygon, lane_ring
from drivelab.data.recorded_log import RecordedLog
from drivelab.errors import DataError
from drivelab.types import (
    Area,
    AreaKind,
    Block,
    Command,
    EgoTrajectory,
    Lane,
    LaneMap,
    Tracks,
    Window,
)

POSITION = 1000.0  # steps per metre
ANGLE = 100000.0  # steps per radian
RATE = 1000.0  # steps per m/s and m/s^2
ABSENT = np.iinfo(np.int32).min  # what an invalid box holds

Header = dict[str, Any]
Columns = dict[str, np.ndarray]


def quantise(values: np.ndarray, steps: float) -> np.ndarray:
    """Round to the file's resolution; the result survives encoding unchanged."""
    return np.rint(np.asarray(values, float) * steps) / steps


def quantise_poses(poses: np.ndarray) -> np.ndarray:
    """Round (x, y, yaw) rows to the file's resolution."""
    return np.concatenate(
        [quantise(poses[..., :2], POSITION), quantise(poses[..., 2:], ANGLE)], axis=-1
    )


def encode_log(log: RecordedLog) -> bytes:
    """The log as bytes; equal logs give equal bytes."""
    header, columns = _encode_map(log.map)
    motion, more = _encode_motion(log)
    header |= motion
    columns |= more
    header["columns"] = [[name, list(column.shape)] for name, column in columns.items()]
    text = json.dumps(header, separators=(",", ":")).encode()
    body = b"".join(np.ascontiguousarray(c, "<i4").tobytes() for c in columns.values())
    return len(text).to_bytes(4, "little") + text + body


def decode_log(payload: bytes, *, file: str, member: str) -> RecordedLog:
    """Read the bytes of `encode_log`; `file` and `member` are for messages."""
    try:
        size = int.from_bytes(payload[:4], "little")
        header = json.loads(payload[4 : 4 + size])
        columns = _columns(header, payload, 4 + size)
        return _decode_motion(header, columns, _decode_map(header, columns))
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise DataError(
            f"not a log of this version of labmini ({error!r}); make the file again with "
            "'drivelab data make-labmini' or take the one that ships with the package",
            file=file,
            where=member,
        ) from error


def _columns(header: Mapping[str, Any], payload: bytes, at: int) -> Columns:
    columns: Columns = {}
    for name, shape in header["columns"]:
        count = int(np.prod(shape, dtype=np.int64))
        columns[name] = np.frombuffer(payload, "<i4", count, at).reshape(shape)
        at += 4 * count
    if at != len(payload):
        raise ValueError(f"{len(payload)} bytes where the header says {at}")
    return columns


def _deltas(values: np.ndarray, steps: float) -> np.ndarray:
    whole = np.rint(values * steps).astype(np.int64)
    return np.diff(whole, axis=0, prepend=np.zeros_like(whole[:1])).astype(np.int32)


def _undo_deltas(deltas: np.ndarray, steps: float) -> np.ndarray:
    return np.cumsum(deltas, axis=0, dtype=np.int64) / steps


# fields of a lane without a place in the file -> what they must hold
_FIXED: Mapping[str, object] = {
    "line": None,
    "kind": "vehicle",
    "stop_lines": (),
    "index": 0,
    "heights": None,
    "change_left": True,
    "change_right": True,
}


def _check_storable(lane_map: LaneMap) -> None:
    """Refuse a map of which something would be lost."""
    where = f"map {lane_map.name}"
    control = lane_map.control
    if control.signal_groups or control.stop_signs or control.yield_signs:
        raise DataError("traffic control cannot be written to labmini", where=where)
    for lane in lane_map.lanes.values():
        for name, only in _FIXED.items():
            value = getattr(lane, name)
            if value is not only and (only is None or value != only):
                raise DataError(
                    f"`{name}` of a lane cannot be written to labmini, expected {only!r}",
                    where=f"{where}, lane {lane.id}",
                )


def _encode_map(lane_map: LaneMap) -> tuple[Header, Columns]:
    _check_storable(lane_map)
    lanes, blocks = list(lane_map.lanes.values()), list(lane_map.blocks.values())
    centres = [lane.centreline for lane in lanes]
    lefts = [_boundary(lane.left_boundary, lane) for lane in lanes]
    rights = [_boundary(lane.right_boundary, lane) for lane in lanes]
    rings = [shapely.get_coordinates(area.polygon.exterior) for area in lane_map.areas]
    holes = [
        [shapely.get_coordinates(ring) for ring in area.polygon.interiors]
        for area in lane_map.areas
    ]
    points = np.concatenate(lefts + rights + rings + [ring for many in holes for ring in many])
    centre = np.concatenate(centres)
    header: Header = {
        "map": lane_map.name,
        "lanes": [_lane_record(lane) for lane in lanes],
        "blocks": [_block_record(block) for block in blocks],
        "areas": [
            [area.id, area.kind.value, len(ring), [len(hole) for hole in many]]
            for area, ring, many in zip(lane_map.areas, rings, holes, strict=True)
        ],
        "sizes": [[len(c), len(a), len(b)] for c, a, b in zip(centres, lefts, rights, strict=True)],
    }
    columns = {
        "centre": _deltas(centre[:, :2], POSITION),
        "heading": _deltas(centre[:, 2:], ANGLE),
        "points": _deltas(points, POSITION),
    }
    return header, columns


def _boundary(points: np.ndarray | None, lane: Lane) -> np.ndarray:
    if points is None:
        raise DataError("a lane without boundaries cannot be written", where=f"lane {lane.id}")
    return points


def _lane_record(lane: Lane) -> list[Any]:
    return [
        lane.id,
        int(lane.connector),
        lane.block,
        lane.speed_limit,
        list(lane.successors),
        list(lane.predecessors),
        lane.left,
        lane.right,
        int(lane.has_traffic_lights),
    ]


def _block_record(block: Block) -> list[Any]:
    return [
        block.id,
        list(block.lanes),
        int(block.connector),
        list(block.successors),
        list(block.predecessors),
        block.intersection,
    ]


def _decode_map(header: Mapping[str, Any], columns: Columns) -> LaneMap:
    centre = np.column_stack(
        [_undo_deltas(columns["centre"], POSITION), _undo_deltas(columns["heading"], ANGLE)]
    )
    points = _undo_deltas(columns["points"], POSITION)
    sizes = np.array(header["sizes"], dtype=np.int64).reshape(-1, 3)
    centres = np.split(centre, np.cumsum(sizes[:, 0])[:-1])
    rings = [n for area in header["areas"] for n in (area[2], *area[3])]
    cuts = np.cumsum(np.concatenate([sizes[:, 1], sizes[:, 2], rings]).astype(np.int64))[:-1]
    parts = np.split(points, cuts)
    n = len(sizes)
    lanes = _lanes(header["lanes"], centres, parts[:n], parts[n : 2 * n])
    blocks = {
        record[0]: Block(
            id=record[0],
            lanes=tuple(record[1]),
            polygon=block_polygon([lanes[lane] for lane in record[1]]),
            connector=bool(record[2]),
            successors=tuple(record[3]),
            predecessors=tuple(record[4]),
            intersection=record[5],
        )
        for record in header["blocks"]
    }
    return LaneMap(
        header["map"], lanes, blocks, _areas(header["areas"], parts[2 * n :]), Window.CIRCLE
    )


def _lanes(
    records: list[list[Any]],
    centres: list[np.ndarray],
    lefts: list[np.ndarray],
    rights: list[np.ndarray],
) -> dict[str, Lane]:
    rings = [lane_ring(left, right) for left, right in zip(lefts, rights, strict=True)]
    owner = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    polygons = shapely.polygons(shapely.linearrings(np.concatenate(rings), indices=owner))
    return {
        record[0]: Lane(
            id=record[0],
            centreline=centres[i],
            polygon=polygons[i],
            connector=bool(record[1]),
            block=record[2],
            speed_limit=record[3],
            successors=tuple(record[4]),
            predecessors=tuple(record[5]),
            left=record[6],
            right=record[7],
            left_boundary=lefts[i],
            right_boundary=rights[i],
            has_traffic_lights=bool(record[8]),
        )
        for i, record in enumerate(records)
    }


def _areas(records: list[list[Any]], rings: list[np.ndarray]) -> tuple[Area, ...]:
    areas, at = [], 0
    for name, kind, _, holes in records:
        polygon = shapely.Polygon(rings[at], rings[at + 1 : at + 1 + len(holes)])
        areas.append(Area(name, AreaKind(kind), polygon))
        at += 1 + len(holes)
    return tuple(areas)


def _encode_motion(log: RecordedLog) -> tuple[Header, Columns]:
    tracks = log.tracks
    header: Header = {
        "name": log.name,
        "family": log.family,
        "start": int(log.ego.times[0]),
        "route": list(log.route),
        "commands": [int(command) for command in log.commands],
        "red_lights": [list(red) for red in log.red_lights],
        "starts": list(log.starts),
        "scene_frames": log.scene_frames,
        "now": log.now,
        "dt": tracks.dt,
        "ids": list(tracks.ids),
        "kinds": list(tracks.kinds),
    }
    absent = ~tracks.valid[..., None]
    columns = {
        "times": np.diff(log.ego.times, prepend=log.ego.times[:1]).astype(np.int32),
        "ego": _whole(log.ego.poses[:, :2], POSITION),
        "ego_yaw": _whole(log.ego.poses[:, 2:], ANGLE),
        "ego_rates": _whole(np.hstack([log.ego.velocities, log.ego.accelerations]), RATE),
        "sizes": _whole(tracks.sizes, POSITION),
        "boxes": _whole(tracks.poses[..., :2], POSITION, absent),
        "box_yaw": _whole(tracks.poses[..., 2:], ANGLE, absent),
        "box_velocities": _whole(tracks.velocities, RATE, absent),
    }
    return header, columns


def _whole(values: np.ndarray, steps: float, absent: np.ndarray | None = None) -> np.ndarray:
    kept = values if absent is None else np.where(absent, 0.0, values)
    whole = np.rint(kept * steps)
    return np.asarray(whole if absent is None else np.where(absent, ABSENT, whole), np.int32)


def _decode_motion(header: Mapping[str, Any], columns: Columns, lane_map: LaneMap) -> RecordedLog:
    rates = columns["ego_rates"] / RATE
    ego = EgoTrajectory(
        header["start"] + np.cumsum(columns["times"], dtype=np.int64),
        np.column_stack([columns["ego"] / POSITION, columns["ego_yaw"] / ANGLE]),
        rates[:, :2].copy(),
        rates[:, 2:].copy(),
    )
    valid = columns["box_yaw"][..., 0] != ABSENT
    poses = np.concatenate([columns["boxes"] / POSITION, columns["box_yaw"] / ANGLE], axis=-1)
    velocities = columns["box_velocities"] / RATE
    poses[~valid], velocities[~valid] = np.nan, np.nan
    tracks = Tracks(
        tuple(header["ids"]),
        tuple(header["kinds"]),
        columns["sizes"] / POSITION,
        poses,
        velocities,
        valid,
        header["dt"],
    )
    return RecordedLog(
        name=header["name"],
        family=header["family"],
        map=lane_map,
        ego=ego,
        tracks=tracks,
        route=tuple(header["route"]),
        commands=tuple(Command(command) for command in header["commands"]),
        red_lights=tuple(tuple(red) for red in header["red_lights"]),
        starts=tuple(header["starts"]),
        scene_frames=header["scene_frames"],
        now=header["now"],
    )
