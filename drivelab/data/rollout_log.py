"""drivelab's own logs: one rollout per `.npz` file, written and read back without pickle.

Arrays keep their exact bits; ids, events and notes travel as JSON text (NaN and infinity included).
A rollout can also stand in for a recording: `rollout_scene` cuts a scene whose past and future are
what the rollout drove.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.data.npz import read_npz
from drivelab.errors import DataError
from drivelab.types import EgoTrajectory, Rollout, Scene, StateColumn, Tracks

SCHEMA = 2
_READS = (1, SCHEMA)  # files of schema 1 have no plans, route and lights of a closed loop
SUFFIX = ".npz"
_SHAPES: Mapping[str, tuple[int | str, ...]] = {
    "times": ("t",),
    "ego": ("t", 11),
    "plan": ("p", 3),
    "track_sizes": ("n", 2),
    "track_poses": ("t", "n", 3),
    "track_velocities": ("t", "n", 2),
    "track_valid": ("t", "n"),
}
_OPTIONAL: Mapping[str, tuple[int | str, ...]] = {
    "plans": ("k", "q", 3),
    "plan_steps": ("k",),
    "route": ("m", 3),
}
_INFO = "info/"  # arrays in `info` are entries of their own


def rollout_file(folder: Path, scene_id: str) -> Path:
    """Where a scene's rollout lies; signs a file name cannot hold are written as %XX."""
    safe = re.sub(r"[^A-Za-z0-9._-]", lambda sign: f"%{ord(sign[0]):02X}", scene_id)
    return Path(folder) / f"{safe}{SUFFIX}"


def save_rollout(rollout: Rollout, folder: str | Path) -> Path:
    """Write one file into a folder, complete or not at all, and return its path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return write_rollout(rollout, rollout_file(folder, rollout.scene_id))


def write_rollout(rollout: Rollout, file: Path) -> Path:
    """Write a rollout under this name, complete or not at all, and return it."""
    tracks = rollout.tracks
    arrays = {key: value for key, value in rollout.info.items() if isinstance(value, np.ndarray)}
    header = _header(rollout, set(arrays))
    loop = {name: getattr(rollout, name) for name in _OPTIONAL}
    partial = file.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as stream:
        np.savez(
            stream,
            allow_pickle=False,
            header=np.array(header),
            times=rollout.times,
            ego=rollout.ego,
            plan=rollout.plan,
            track_sizes=tracks.sizes,
            track_poses=tracks.poses,
            track_velocities=tracks.velocities,
            track_valid=tracks.valid,
            **{name: value for name, value in loop.items() if value is not None},
            **{_INFO + key: value for key, value in arrays.items()},
        )
    partial.replace(file)
    return file


def _header(rollout: Rollout, arrays: set[str]) -> str:
    """Everything that is no array, as JSON."""
    tracks = rollout.tracks
    text = {
        "schema": SCHEMA,
        "scene_id": rollout.scene_id,
        "plan_dt": rollout.plan_dt,
        "track_ids": tracks.ids,
        "track_kinds": tracks.kinds,
        "track_dt": tracks.dt,
        "red_lights": rollout.red_lights,
        "events": [dict(event) for event in rollout.events],
        "info": {key: value for key, value in rollout.info.items() if key not in arrays},
    }
    try:
        return json.dumps(text, default=_plain)
    except TypeError as error:
        raise DataError(
            f"events and info hold numbers, text, lists, mappings and (info) arrays; {error}",
            where=f"rollout of {rollout.scene_id}",
        ) from error


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"found a {type(value).__name__}")


def load_rollout(path: str | Path, scene_id: str | None = None) -> Rollout:
    """Read a rollout: a file, or a folder and the scene's id (not needed for a single file)."""
    file = _resolve(Path(path), scene_id)
    arrays = read_npz(file, "a rollout")
    try:
        header = json.loads(str(arrays.pop("header")))
    except (ValueError, KeyError, RecursionError) as error:
        raise DataError(f"cannot be read as a rollout ({error!r})", file=file) from error
    if not isinstance(header, dict) or header.get("schema") not in _READS:
        raise DataError(f"expected a rollout of schema {SCHEMA}", file=file, where="header")
    _check_shapes(arrays, header, file)
    _check_numbers(arrays, file)
    _check_events(header, len(arrays["times"]), file)
    return _rollout(arrays, header, file)


def _resolve(path: Path, scene_id: str | None) -> Path:
    if not path.is_dir():
        return path
    if scene_id is not None:
        return rollout_file(path, scene_id)
    found = sorted(path.glob(f"*{SUFFIX}"))
    if len(found) != 1:
        raise DataError(f"found {len(found)} rollouts; name the scene whose is wanted", file=path)
    return found[0]


def _check_shapes(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any], file: Path) -> None:
    sizes: dict[str, int] = {"n": len(header.get("track_ids", ()))}
    found = {name: shape for name, shape in _OPTIONAL.items() if name in arrays}
    for name, shape in {**_SHAPES, **found}.items():
        if name not in arrays or arrays[name].ndim != len(shape):
            raise DataError(f"expected an array of shape {shape}", file=file, where=name)
        for axis, wanted in enumerate(shape):
            size = arrays[name].shape[axis]
            expected = sizes.setdefault(wanted, size) if isinstance(wanted, str) else wanted
            if size != expected:
                raise DataError(
                    f"axis {axis} has {size} entries, expected {expected}", file=file, where=name
                )


def _check_numbers(arrays: Mapping[str, np.ndarray], file: Path) -> None:
    """Where the ego was is known at every step, whoever wrote the file."""
    for name in ("times", "ego"):
        values = arrays[name]
        if values.dtype.kind not in "fiu":
            raise DataError(f"holds {values.dtype}, expected numbers", file=file, where=name)
        bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if bad.any():
            where = f"{name}, step {int(bad.argmax())}"
            raise DataError("a number is not finite", file=file, where=where)


def _check_events(header: Mapping[str, Any], steps: int, file: Path) -> None:
    """Every event says what happened and at which step."""
    events = header.get("events")
    if not isinstance(events, list):
        raise DataError("expected a list of events", file=file, where="header")
    for k, event in enumerate(events):
        known = isinstance(event, dict) and isinstance(event.get("kind"), str)
        step = event.get("step") if known else None
        if type(step) is not int or not 0 <= step < steps:
            raise DataError(
                f"expected a mapping with kind (text) and step (0 to {steps - 1}), found {event!r}",
                file=file,
                where=f"events[{k}]",
            )


def _rollout(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any], file: Path) -> Rollout:
    extra = {key[len(_INFO) :]: v for key, v in arrays.items() if key.startswith(_INFO)}
    try:
        tracks = Tracks(
            tuple(header["track_ids"]),
            tuple(header["track_kinds"]),
            arrays["track_sizes"],
            arrays["track_poses"],
            arrays["track_velocities"],
            arrays["track_valid"],
            header["track_dt"],
        )
        return Rollout(
            header["scene_id"],
            arrays["times"],
            arrays["ego"],
            tracks,
            arrays["plan"],
            header["plan_dt"],
            tuple(header["events"]),
            {**header["info"], **extra},
            plans=arrays.get("plans"),
            plan_steps=arrays.get("plan_steps"),
            route=arrays.get("route"),
            red_lights=tuple(tuple(red) for red in header.get("red_lights", ())),
        )
    except KeyError as error:
        raise DataError(f"the key {error} is missing", file=file, where="header") from error


def rollout_scene(rollout: Rollout, world: Scene, *, now: int = 0) -> Scene:
    """A scene in which the ego did what the rollout did.

    Args:
        rollout: its frames become the scene's frames.
        world: the scene it was driven in: map, route, lights, vehicle and licence come from it.
        now: frame of the rollout that becomes the current one.
    """
    if rollout.scene_id != world.id:
        raise DataError(
            f"this rollout was driven in {rollout.scene_id!r}, the scene given is {world.id!r}"
        )
    if not 0 <= now < len(rollout.times):
        raise DataError(
            f"now is {now}, expected 0 to {len(rollout.times) - 1}",
            where=f"rollout of {rollout.scene_id}",
        )
    times = world.time + np.round(rollout.times * 1e6).astype(np.int64)
    ego = EgoTrajectory(
        times,
        rollout.ego[:, StateColumn.X : StateColumn.VX],
        rollout.ego[:, StateColumn.VX : StateColumn.AX],
        rollout.ego[:, StateColumn.AX : StateColumn.STEERING],
    )
    at = np.clip(np.searchsorted(world.ego.times, times, side="right") - 1, 0, world.frames - 1)
    lights = tuple(world.red_lights[i] for i in at) if world.red_lights else ()
    lights = rollout.red_lights or lights
    return replace(
        world,
        id=f"{world.id}+{int(times[now] - world.time)}",
        source="rollout",
        ego=ego,
        now=now,
        tracks=rollout.tracks,
        red_lights=lights,
        sensors=None,
    )
