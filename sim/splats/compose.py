"""Static world + actors at their poses + lamps -> the Gaussians of one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.scene import Actor, Moment, Splats, SplatScene
from drivelab.sim.splats.sh_rotation import rotate_sh

COLOURS = ("scene", "actor")


def compose(scene: SplatScene, moment: Moment, *, colours: str = "scene") -> Splats:
    """Everything that is there at one moment, in the scene frame.

    Args:
        scene: the world.
        moment: who is where and which lamps are lit.
        colours: whose axes colours that depend on the direction keep: "scene" = they do not turn
            with an actor, as in gsplat's and DriveStudio's concatenation; "actor" = they do.

    Raises:
        ValueError: no such colours.
    """
    if colours not in COLOURS:
        raise ValueError(f"compose: colours={colours!r}; expected {' or '.join(COLOURS)}")
    turn = colours == "actor"
    parts = [scene.static]
    parts += [place(scene.actors[name].splats, pose, turn_colours=turn)
              for name, pose in moment.poses.items() if name in scene.actors]  # fmt: skip
    for lamp in scene.lamps:
        shown = {moment.signals.get(lane) for lane in lamp.lanes}
        parts.append(lamp.lit if lamp.colour in shown else lamp.dark)
    return join(parts)


def moment_at(scene: SplatScene, time: float) -> Moment:
    """Where the scene's own record says its actors are; the nearest recorded moment counts."""
    if not len(scene.times):
        return Moment()
    at = int(np.abs(scene.times - time).argmin())
    return Moment({name: actor.poses[at] for name, actor in scene.actors.items()
                   if actor.poses is not None and _there(actor, at)})  # fmt: skip


def place(splats: Splats, pose: Float[np.ndarray, "4 4"], *, turn_colours: bool = False) -> Splats:
    """Splats moved by a rigid motion: means R m + t, rotations q_pose q.

    Args:
        splats: in their own frame.
        pose: target frame from own frame.
        turn_colours: whether colours that depend on the direction turn too, exactly.
    """
    moved = splats.gaussians
    turn = quaternion(pose[:3, :3])
    means = moved.means @ np.asarray(pose[:3, :3].T, np.float32)
    means = means + np.asarray(pose[:3, 3], np.float32)
    sh = rotate_sh(moved.sh, pose[:3, :3]) if turn_colours else moved.sh
    quats = product(turn, moved.quats)
    return replace(splats, gaussians=replace(moved, means=means, quats=quats, sh=sh))


def join(parts: Sequence[Splats]) -> Splats:
    """One behind the other; colours of lower degree are filled up with zeros."""
    rank = max((part.gaussians.sh.shape[1] for part in parts), default=1)
    means, quats, scales, opacities = (
        np.concatenate([np.asarray(getattr(part.gaussians, name), np.float32) for part in parts])
        for name in ("means", "quats", "scales", "opacities")
    )
    sh = np.concatenate([_filled(part.gaussians.sh, rank) for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    return Splats(Gaussians(means, quats, scales, opacities, sh), labels)


def quaternion(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "4"]:
    """A rotation as wxyz with w not below 0, by its largest component (Shepperd)."""
    m = np.asarray(rotation, float)
    squares = np.array([
        1 + m[0, 0] + m[1, 1] + m[2, 2], 1 + m[0, 0] - m[1, 1] - m[2, 2],
        1 - m[0, 0] + m[1, 1] - m[2, 2], 1 - m[0, 0] - m[1, 1] + m[2, 2],
    ])  # fmt: skip
    pairs = np.array([
        [squares[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
        [m[2, 1] - m[1, 2], squares[1], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
        [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], squares[2], m[1, 2] + m[2, 1]],
        [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], squares[3]],
    ])  # fmt: skip
    found = pairs[int(squares.argmax())]
    found = found / np.linalg.norm(found)
    return found if found[0] >= 0 else -found


def product(
    left: Float[np.ndarray, "4"], right: Float[np.ndarray, "n 4"]
) -> Float[np.ndarray, "n 4"]:
    """Quaternion products wxyz, float32."""
    w, x, y, z = np.asarray(left, np.float32)
    matrix = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    return np.asarray(right, np.float32) @ matrix.T


def _filled(sh: np.ndarray, rank: int) -> np.ndarray:
    out = np.zeros((len(sh), rank, 3), np.float32)
    out[:, : sh.shape[1]] = sh
    return out


def _there(actor: Actor, at: int) -> bool:
    return actor.valid is None or bool(actor.valid[at])
