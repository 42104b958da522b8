"""A world of Gaussians as data: what stands, what moves, the sky, where it lies on the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.labels import LABELS


@dataclass(frozen=True, slots=True, eq=False)
class Splats:
    """Gaussians and what each belongs to.

    Attributes:
        gaussians: n of them, float32.
        labels: (n,) numbers of `labels.LABELS`.
    """

    gaussians: Gaussians
    labels: UInt8[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.gaussians)

    def __post_init__(self) -> None:
        if self.labels.shape != (len(self.gaussians),):
            raise ValueError(
                f"labels have the shape {self.labels.shape}; expected ({len(self.gaussians)},)"
            )
        if len(self.labels) and int(self.labels.max()) >= len(LABELS):
            raise ValueError(f"label {int(self.labels.max())}; expected 0 to {len(LABELS) - 1}")


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """Something rigid that moves.

    Attributes:
        id: of the track or slot that it shows.
        kind: one of `types.KINDS`.
        size: length, width, height [m] of its box.
        splats: in the frame of the box's floor: origin in its middle, x forward, y left, z up.
        poses: (t, 4, 4) scene_from_actor at the scene's times, or None where a world drives it.
        valid: (t,) whether it is there, or None where it always is.
    """

    id: str
    kind: str
    size: tuple[float, float, float]
    splats: Splats
    poses: Float[np.ndarray, "t 4 4"] | None = None
    valid: Bool[np.ndarray, " t"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Lamp:
    """One lamp of a traffic light.

    Attributes:
        lanes: connectors that it speaks to.
        colour: red, yellow or green.
        dark: how it looks while another lamp is lit.
        lit: how it looks while it is lit.
    """

    lanes: tuple[str, ...]
    colour: str
    dark: Splats
    lit: Splats


@dataclass(frozen=True, slots=True, eq=False)
class Sky:
    """A cube of colours infinitely far away.

    Attributes:
        faces: (6, n, n, 3) colours in 0..1 on the faces +x, -x, +y, -y, +z, -z of the scene
            frame. Texel (row i, column j) of a face lies at a = (2j + 1)/n - 1 and
            b = (2i + 1)/n - 1 along the other two axes in the order x, y, z.
    """

    faces: Float[np.ndarray, "6 n n 3"]


@dataclass(frozen=True, slots=True)
class Air:
    """What lies between the camera and the scene.

    Attributes:
        fog: share of light lost per metre; sight is about 3 / fog.
        fog_colour: red, green, blue in 0..1.
        rain: streaks, 0 (none) to 1 (heavy).
        exposure: what every colour is multiplied by, 1 = as the scene's colours are.
    """

    fog: float = 0.0
    fog_colour: tuple[float, float, float] = (0.7, 0.75, 0.8)
    rain: float = 0.0
    exposure: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class SplatScene:
    """A world to look at, in a local frame whose numbers float32 can hold.

    Attributes:
        name: for files, messages, reports.
        static: what never moves; the ground is what its labels call so (`labels.GROUND`).
        actors: by id.
        lamps: of its traffic lights.
        sky: behind everything, or None = black.
        air: fog, rain, exposure.
        times: (t,) seconds at which actors' own poses are given; empty without any.
        map_from_scene: (4, 4) float64, rigid.
        convention: which clamp its Gaussians were trained with, see `kernels.splat.Settings`.
        licence: of what it was made from.
        info: how it was made: builder, seed, rig, ...; numbers and strings.
    """

    name: str
    static: Splats
    actors: Mapping[str, Actor] = field(default_factory=dict)
    lamps: Sequence[Lamp] = ()
    sky: Sky | None = None
    air: Air = Air()
    times: Float[np.ndarray, " t"] = field(default_factory=lambda: np.zeros(0))
    map_from_scene: Float[np.ndarray, "4 4"] = field(default_factory=lambda: np.eye(4))
    convention: str = "gsplat"
    licence: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """Who is where and which lamps are lit.

    Attributes:
        poses: actor id -> (4, 4) scene_from_actor; who is not named is not there.
        signals: connector id -> red, yellow or green; a light of which nothing is said is dark.
    """

    poses: Mapping[str, Float[np.ndarray, "4 4"]] = field(default_factory=dict)
    signals: Mapping[str, str] = field(default_factory=dict)
