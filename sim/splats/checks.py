"""What no scene may hold, whoever made it: each fault with its key, index and remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from drivelab.errors import DataError
from drivelab.sim.splats.labels import LABELS
from drivelab.sim.splats.scene import Actor, Splats, SplatScene

RIGID = 1e-4  # how far a pose's axes may be from orthonormal
SHORTEST = 1e-12  # quaternion that can be brought to length 1
DEPTH = 8  # of lists and tables within `info`
LARGEST = 2**63 - 1  # integer within `info`
LIGHTS = ("red", "yellow", "green")
SKY = "six square faces of at least 1 x 1 colours"


def check_scene(scene: SplatScene, *, file: str | Path) -> None:
    """Refuse a scene that could not be drawn, moved or found on the map.

    Args:
        scene: any.
        file: named in messages.

    Raises:
        DataError: of the first fault: file, key, index, what was expected.
    """
    seen: set[int] = set()
    for key, splats in splats_of(scene).items():
        if id(splats) not in seen:  # actors of one look share their Gaussians
            check_splats(splats, file=file, key=key)
        seen.add(id(splats))
    if not any(len(splats) for splats in splats_of(scene).values()):
        raise DataError("holds no Gaussians: nothing to see; was it written whole?", file=file)
    check_pose(scene.map_from_scene, file=file, key="map_from_scene")
    times = np.asarray(scene.times, float)
    if times.ndim != 1 or not np.isfinite(times).all() or not (times[1:] > times[:-1]).all():
        raise DataError("expected finite seconds, each above the one before", file=file,
                        where="times")  # fmt: skip
    for n, (name, actor) in enumerate(scene.actors.items()):
        if name != actor.id:
            raise DataError(f"{name!r} stands for the actor {actor.id!r}; expected its own id",
                            file=file, where=f"actors[{n}]")  # fmt: skip
        _check_actor(actor, len(times), file=file, key=f"actors[{n}]")
    for n, lamp in enumerate(scene.lamps):
        if lamp.colour not in LIGHTS:
            raise DataError(f"{lamp.colour!r}; expected one of {', '.join(LIGHTS)}", file=file,
                            where=f"lamps[{n}].colour")  # fmt: skip
    if scene.sky is not None:
        _check_sky(np.asarray(scene.sky.faces), file=file)
    check_info(scene.info, file=file)


def splats_of(scene: SplatScene) -> dict[str, Splats]:
    """All Gaussians of a scene by the key that messages call them."""
    found = {"static": scene.static}
    found |= {f"actors[{n}]": actor.splats for n, actor in enumerate(scene.actors.values())}
    for n, lamp in enumerate(scene.lamps):
        found[f"lamps[{n}].dark"], found[f"lamps[{n}].lit"] = lamp.dark, lamp.lit
    return found


def check_splats(splats: Splats, *, file: str | Path, key: str) -> None:
    """Refuse Gaussians that no picture can be made of.

    Raises:
        DataError: NaN or infinity, a negative scale, a rotation of length 0, an opacity outside
            0..1, a label that does not exist.
    """
    found = splats.gaussians
    for name in ("means", "quats", "scales", "opacities", "sh"):
        wrong = ~np.isfinite(getattr(found, name))
        _refuse(wrong, "finite numbers", file=file, key=f"{key}.{name}")
    _refuse(found.scales < 0, "scales not below 0 (linear, not their logs)",
            file=file, key=f"{key}.scales")  # fmt: skip
    _refuse(no_rotations(found.quats), "a rotation, not a quaternion of length 0 or beyond 1e12",
            file=file, key=f"{key}.quats")  # fmt: skip
    _refuse((found.opacities < 0) | (found.opacities > 1), "0 to 1 (not logits)",
            file=file, key=f"{key}.opacities")  # fmt: skip
    _refuse(splats.labels >= len(LABELS), f"labels of 0 to {len(LABELS) - 1}",
            file=file, key=f"{key}.labels")  # fmt: skip


def no_rotations(quats: Float[np.ndarray, "n 4"]) -> Bool[np.ndarray, " n"]:
    """Quaternions that float32 cannot bring to length 1."""
    longest = np.abs(quats).max(-1, initial=0.0)
    wrong: np.ndarray = ~((longest > SHORTEST) & (longest < 1.0 / SHORTEST))
    return wrong


def check_pose(pose: Float[np.ndarray, "4 4"], *, file: str | Path, key: str) -> None:
    """Refuse what is no rigid motion.

    Raises:
        DataError: another shape, not finite, axes that are not orthonormal and right-handed.
    """
    pose = np.asarray(pose, float)
    if pose.shape != (4, 4) or not _rigid(pose[None])[0]:
        raise DataError(
            "expected a rigid motion: 4 x 4 finite numbers, axes of length 1 at right angles, "
            "right-handed, last row 0 0 0 1",
            file=file,
            where=key,
        )


def check_info(info: Mapping[str, Any], *, file: str | Path) -> None:
    """Refuse what JSON would not bring back: other types, NaN, tables within tables for ever.

    Raises:
        DataError: names the key.
    """
    for key, problem in _info_faults(info, "info", 0):
        raise DataError(problem, file=file, where=key)


def _info_faults(value: Any, key: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > DEPTH:
        yield key, f"tables within tables more than {DEPTH} deep"
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if not isinstance(name, str):
                yield key, f"the key {name!r}; expected texts as keys"
            yield from _info_faults(inner, f"{key}.{str(name)[:40]}", depth + 1)
    elif isinstance(value, list | tuple):
        for n, inner in enumerate(value):
            yield from _info_faults(inner, f"{key}[{n}]", depth + 1)
    elif isinstance(value, float) and not np.isfinite(value):
        yield key, f"{value}; expected a finite number, a text, a list or a table"
    elif isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        yield key, f"an integer beyond {LARGEST}"
    elif type(value) not in (str, bool, int, float, type(None)):
        yield key, f"a {type(value).__name__}; expected a number, a text, a list or a table"


def _check_actor(actor: Actor, times: int, *, file: str | Path, key: str) -> None:
    if len(actor.size) != 3 or not (np.isfinite(actor.size).all() and min(actor.size) > 0):
        raise DataError(f"{actor.size}; expected length, width, height above 0 [m]", file=file,
                        where=f"{key}.size")  # fmt: skip
    valid = np.ones(times, bool) if actor.valid is None else np.asarray(actor.valid)
    if valid.shape != (times,) or valid.dtype != bool:
        raise DataError(f"{valid.dtype} {valid.shape}; expected bool ({times},)", file=file,
                        where=f"{key}.valid")  # fmt: skip
    if actor.poses is None:
        return
    poses = np.asarray(actor.poses, float)
    if poses.shape != (times, 4, 4):
        raise DataError(f"{poses.shape}; expected ({times}, 4, 4), one pose at each of the "
                        "scene's times", file=file, where=f"{key}.poses")  # fmt: skip
    wrong = np.flatnonzero(valid & ~_rigid(poses))
    if len(wrong):
        check_pose(poses[wrong[0]], file=file, key=f"{key}.poses[{wrong[0]}]")


def _check_sky(faces: np.ndarray, *, file: str | Path) -> None:
    shape = faces.shape
    if len(shape) != 4 or shape[0] != 6 or shape[1] != shape[2] or not shape[1] or shape[3] != 3:
        raise DataError(f"{shape}; expected {SKY}", file=file, where="sky")
    _refuse(~np.isfinite(faces), "finite numbers", file=file, key="sky")


def _rigid(poses: np.ndarray) -> np.ndarray:
    """(n,) whether 4 x 4 matrices are rigid motions."""
    finite = np.isfinite(poses).all((1, 2)) & (np.abs(poses[:, :3, :3]) <= 2.0).all((1, 2))
    poses = np.where(finite[:, None, None], poses, 0.0)
    turns = poses[:, :3, :3]
    off = np.abs(np.swapaxes(turns, 1, 2) @ turns - np.eye(3)).max((1, 2))
    whole = (poses[:, 3] == [0.0, 0.0, 0.0, 1.0]).all(1)
    kept: np.ndarray = finite & whole & (off < RIGID) & (np.linalg.det(turns) > 0)
    return kept


def _refuse(wrong: np.ndarray, wanted: str, *, file: str | Path, key: str) -> None:
    if not wrong.any():
        return
    at = ", ".join(str(n) for n in np.unravel_index(int(wrong.argmax()), wrong.shape))
    more = int(wrong.sum()) - 1
    others = f" (so are {more} more of it)" if more else ""
    raise DataError(f"wrong{others}; expected {wanted}; write it again, or leave those Gaussians "
                    "out", file=file, where=f"{key}[{at}]")  # fmt: skip
