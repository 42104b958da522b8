"""Checkpoints of DriveStudio: a background, rigid things with a pose in every frame, a sky cube.

`{"models": {"Background", "RigidNodes", "Sky", ...}, ...}`; each part holds its tensors under the
names of its attributes. Frames have no times in the file: they are taken to be 0.1 s apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.errors import DataError
from drivelab.kernels.splat import Gaussians
from drivelab.kernels.splat.harmonics import C0
from drivelab.sim.splats.checks import SHORTEST
from drivelab.sim.splats.formats.boxes import box_actor
from drivelab.sim.splats.formats.gl_cube import sky_of_gl_cube
from drivelab.sim.splats.formats.parts import gaussians, numbers, table
from drivelab.sim.splats.formats.stored import sigmoid
from drivelab.sim.splats.scene import Actor, Sky, Splats, SplatScene

KEYS = {"means": "_means", "quats": "_quats", "scales": "_scales", "opacities": "_opacities",
        "dc": "_features_dc", "rest": "_features_rest"}  # fmt: skip
FRAME = 0.1  # [s]
# Its world has z up, the cube y: x stays, y of the cube is z of the world, z of the cube is -y.
CUBE_FROM_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def fits(held: Any) -> bool:
    """Whether a checkpoint's content is one of DriveStudio's."""
    models = held.get("models") if isinstance(held, Mapping) else None
    return isinstance(models, Mapping) and "Background" in models


def scene_of(held: Any, file: Path) -> SplatScene:
    """A scene with its rigid actors and, where there is one, its sky.

    Raises:
        DataError: something is missing, of another shape or not finite.
    """
    models = table(held, "models", file=file, where="checkpoint")
    found = _gaussians(table(models, "Background", file=file, where="models"), file, "Background")
    actors: dict[str, Actor] = {}
    times: np.ndarray = np.zeros(0)
    if "RigidNodes" in models:
        nodes = table(models, "RigidNodes", file=file, where="models")
        actors, frames = _actors(nodes, file)
        times = FRAME * np.arange(frames)
    passed = sorted(str(name)[:40] for name in models if name not in (
        "Background", "RigidNodes", "Sky"))  # fmt: skip
    sky = _sky(models, file)
    if "Sky" in models and sky is None:
        passed.append("Sky (a network)")
    return SplatScene(
        file.stem, Splats(found, np.zeros(len(found), np.uint8)), actors, sky=sky, times=times,
        convention="gsplat", info={"from": "drivestudio", "passed_over": passed, "frame_s": FRAME},
    )  # fmt: skip


def _gaussians(part: Mapping[Any, Any], file: Path, where: str) -> Gaussians:
    found = gaussians(part, KEYS, file=file, where=where)
    if found.sh.shape[1] > 1:
        return found
    # Without harmonics the one colour is a logit of what is seen.
    seen = sigmoid(found.sh)
    return replace(found, sh=((seen - 0.5) / C0).astype(np.float32))


def _actors(nodes: Mapping[Any, Any], file: Path) -> tuple[dict[str, Actor], int]:
    """Actors by id, and the number of frames."""

    def of(key: str, *shape: int | None) -> np.ndarray:
        return numbers(nodes, key, shape, file=file, where="RigidNodes")

    found = _gaussians(nodes, file, "RigidNodes")
    there = of("instances_fv", None, None).astype(bool)
    frames, count = there.shape
    moved, turned = of("instances_trans", frames, count, 3), of("instances_quats", frames, count, 4)
    sizes = of("instances_size", count, 3)
    owners = of("points_ids", len(found), 1)[:, 0]
    if len(owners) and not (owners.min() >= 0 and owners.max() < count):
        raise DataError(f"names the thing {int(owners.max())}; expected 0 to {count - 1}",
                        file=file, where="RigidNodes['points_ids']")  # fmt: skip
    actors = {}
    for n in np.unique(owners).tolist():
        mine = owners == n
        own = Gaussians(found.means[mine], found.quats[mine], found.scales[mine],
                        found.opacities[mine], found.sh[mine])  # fmt: skip
        valid = there[:, n]
        poses = np.tile(np.eye(4), (frames, 1, 1))
        poses[valid] = _poses(moved[valid, n], turned[valid, n], file, f"RigidNodes {n}")
        name = f"rigid_{n}"
        actors[name] = box_actor(name, own, sizes[n], poses=poses, valid=valid)
    return actors, frames


def _poses(moved: np.ndarray, turned: np.ndarray, file: Path, where: str) -> np.ndarray:
    """(t, 4, 4) of translations and quaternions wxyz."""
    length = np.linalg.norm(turned.astype(float), axis=1, keepdims=True)
    if not (np.isfinite(moved).all() and np.isfinite(length).all() and (length > SHORTEST).all()):
        raise DataError("a pose is not finite, or of a rotation of length 0", file=file,
                        where=where)  # fmt: skip
    w, x, y, z = (turned / length).T
    poses = np.tile(np.eye(4), (len(moved), 1, 1))
    poses[:, :3, :3] = np.moveaxis(np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]), 2, 0)  # fmt: skip
    poses[:, :3, 3] = moved
    return poses


def _sky(models: Mapping[Any, Any], file: Path) -> Sky | None:
    held = models.get("Sky")
    if not isinstance(held, Mapping) or "base" not in held:
        return None
    return sky_of_gl_cube(held, "base", CUBE_FROM_WORLD, file=file, where="Sky")
