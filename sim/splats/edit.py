"""Other scenes from a scene: actors put in, taken out, exchanged, painted; the far left away.

All are functions from scene to scene, or from Gaussians to Gaussians; nothing is changed in place,
and what is not changed is shared. `merge.py` thins out what is far.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from drivelab.errors import ConfigError, nearest_name
from drivelab.kernels.splat import Gaussians
from drivelab.kernels.splat.harmonics import C0
from drivelab.sim.splats.scene import Actor, Splats, SplatScene

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of red, green, blue (Rec. 709)
REACH = 0.12  # how far from the paint's chroma a Gaussian may be and still be painted
DARK = 1e-3  # luminance below which a colour has no chroma


def insert_actor(scene: SplatScene, actor: Actor) -> SplatScene:
    """A scene with one more actor.

    Raises:
        ConfigError: its id is taken, or its poses are not at the scene's times.
    """
    if actor.id in scene.actors:
        raise ConfigError(f"scene {scene.name!r} has an actor {actor.id!r} already; replace it, "
                          "or give the new one another id")  # fmt: skip
    times = len(scene.times)
    for name, values in (("poses", actor.poses), ("valid", actor.valid)):
        if values is not None and len(values) != times:
            raise ConfigError(f"actor {actor.id!r} has {len(values)} {name}; expected {times}, one "
                              f"at each time of scene {scene.name!r}")  # fmt: skip
    return replace(scene, actors={**scene.actors, actor.id: actor})


def remove_actor(scene: SplatScene, name: str) -> SplatScene:
    """A scene without that actor.

    Raises:
        ConfigError: there is no such actor.
    """
    gone = _actor(scene, name)
    return replace(scene, actors={key: a for key, a in scene.actors.items() if a is not gone})


def replace_actor(scene: SplatScene, name: str, looks: Actor) -> SplatScene:
    """A scene in which an actor looks like another: its Gaussians, kind and size, the own poses.

    Raises:
        ConfigError: there is no such actor.
    """
    actor = _actor(scene, name)
    changed = replace(actor, splats=looks.splats, kind=looks.kind, size=looks.size)
    return _with(scene, changed)


def recolour_actor(
    scene: SplatScene, name: str, colour: tuple[float, float, float], *, mode: str = "replace"
) -> SplatScene:
    """A scene in which an actor's paint has another colour, see `recolour`.

    Raises:
        ConfigError: there is no such actor.
        ValueError: of `recolour`.
    """
    actor = _actor(scene, name)
    return _with(scene, replace(actor, splats=recolour(actor.splats, colour, mode=mode)))


def recolour(
    splats: Splats,
    colour: tuple[float, float, float],
    *,
    mode: str = "replace",
    which: Bool[np.ndarray, " n"] | None = None,
) -> Splats:
    """Paint Gaussians and keep their light and shade.

    Args:
        splats: any.
        colour: red, green, blue in 0..1.
        mode: "replace" = their median luminance becomes the colour's, darker and lighter ones
            follow in proportion; "multiply" = every channel times the colour's.
        which: are painted; by default what has the chroma of the paint, see `painted`.

    Raises:
        ValueError: no such mode, a colour outside 0..1.
    """
    if mode not in ("replace", "multiply"):
        raise ValueError(f"recolour: mode={mode!r}; expected replace or multiply")
    paint = np.asarray(colour, float)
    if paint.shape != (3,) or not ((paint >= 0) & (paint <= 1)).all():
        raise ValueError(f"recolour: colour={colour}; expected red, green, blue in 0..1")
    chosen = np.flatnonzero(painted(splats) if which is None else which)
    if not len(chosen):
        return splats
    sh = np.array(splats.gaussians.sh, np.float32)
    old = sh[chosen].astype(float)
    old[:, 0] += 0.5 / C0  # the whole colour as a function of direction, without its offset
    if mode == "multiply":
        new = old * paint
    else:
        light = old @ LUMINANCE  # (m, k): how bright, in every direction
        usual = max(float(np.median(light[:, 0])) * C0, DARK)
        new = light[..., None] * (paint / usual)
    new[:, 0] -= 0.5 / C0
    sh[chosen] = new
    return replace(splats, gaussians=replace(splats.gaussians, sh=sh))


def painted(splats: Splats) -> Bool[np.ndarray, " n"]:
    """Which Gaussians have the chroma that most of the surface has.

    Chroma is each channel's share of their sum. Lamps, plates and windows usually have another one
    than the paint; of a grey thing all that is grey counts, tyres too, which stay dark.
    """
    found = splats.gaussians
    rgb = np.maximum(0.5 + C0 * np.asarray(found.sh[:, 0], float), 0.0)
    chroma = rgb / np.maximum(rgb.sum(1, keepdims=True), DARK)
    if not len(rgb):
        return np.zeros(0, bool)
    weight = _faces(found)
    # Of every colour that occurs, on a coarse grid, the one that covers most.
    cell = np.round(chroma / REACH).astype(int) @ [1, 100, 10_000]
    _, group = np.unique(cell, return_inverse=True)
    most = group == np.bincount(group, weight).argmax()
    middle = np.average(chroma[most], axis=0, weights=weight[most] + 1e-12)
    near: np.ndarray = np.linalg.norm(chroma - middle, axis=1) <= REACH
    return near


def crop(splats: Splats, path: Float[np.ndarray, "m 2"], distance: float) -> Splats:
    """What lies no farther from a path's points than so many metres on the ground plane.

    Args:
        splats: in the frame of the path.
        path: points, e.g. of a route every few metres, or one place as (1, 2).
        distance: [m].
    """
    return pick(splats, distances(splats, path) <= distance)


def crop_scene(scene: SplatScene, path: Float[np.ndarray, "m 2"], distance: float) -> SplatScene:
    """A scene whose static part and lamps lie near a path of the scene frame; actors stay."""
    lamps = [lamp for lamp in scene.lamps
             if (distances(lamp.lit, path) <= distance).any()]  # fmt: skip
    return replace(scene, static=crop(scene.static, path, distance), lamps=tuple(lamps))


def distances(splats: Splats, path: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, " n"]:
    """How far every centre is from the nearest point of a path on the ground plane [m]."""
    points = np.atleast_2d(np.asarray(path, float))[:, :2]
    found, _ = cKDTree(points).query(np.asarray(splats.gaussians.means[:, :2], float))
    return np.asarray(found, float)


def pick(splats: Splats, which: np.ndarray) -> Splats:
    """Some of the Gaussians, by mask or numbers, in that order."""
    found = splats.gaussians
    fields = (found.means, found.quats, found.scales, found.opacities, found.sh)
    return Splats(Gaussians(*(field[which] for field in fields)), splats.labels[which])


def _actor(scene: SplatScene, name: str) -> Actor:
    if name not in scene.actors:
        known = ", ".join(list(scene.actors)[:20]) or "none"
        hint = nearest_name(name, scene.actors)
        raise ConfigError(f"scene {scene.name!r} has no actor {name!r}{hint} (it has: {known})")
    return scene.actors[name]


def _with(scene: SplatScene, actor: Actor) -> SplatScene:
    return replace(scene, actors={**scene.actors, actor.id: actor})


def _faces(gaussians: Gaussians) -> np.ndarray:
    """(n,) about how much of a picture each covers: opacity times the two largest extents."""
    wide = np.sort(np.asarray(gaussians.scales, float), axis=1)
    faces: np.ndarray = wide[:, 1] * wide[:, 2] * np.asarray(gaussians.opacities, float)
    return faces
