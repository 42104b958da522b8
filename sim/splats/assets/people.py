"""People on foot, on bicycles and on motorcycles, in coats that fill their boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from drivelab.sim.splats.assets.cars import FRONT_LIGHT, TAIL_LIGHT, TRIM
from drivelab.sim.splats.assets.lorries import box, plain
from drivelab.sim.splats.assets.surfaces import Facets, joined, sheet, tube
from drivelab.sim.splats.labels import NUMBER

COATS = (
    (0.62, 0.12, 0.14), (0.16, 0.26, 0.48), (0.80, 0.66, 0.20), (0.22, 0.24, 0.26),
    (0.22, 0.42, 0.30), (0.74, 0.72, 0.68), (0.48, 0.28, 0.48), (0.76, 0.38, 0.14),
)  # fmt: skip
TROUSERS = ((0.18, 0.23, 0.38), (0.20, 0.20, 0.22), (0.46, 0.40, 0.31), (0.30, 0.30, 0.33))
SKINS = ((0.87, 0.68, 0.56), (0.62, 0.44, 0.32), (0.40, 0.27, 0.20))
HAIRS = ((0.16, 0.11, 0.08), (0.42, 0.28, 0.14), (0.08, 0.07, 0.07), (0.55, 0.52, 0.50))
SHOE = (0.10, 0.09, 0.09)


def walker(size: tuple[float, float, float], seed: int) -> Facets:
    """Someone in stride: legs apart, arms swinging, a coat, a head with hair."""
    rng = np.random.default_rng([seed, 11])
    length, width, height = size
    a, b = 0.5 * length, 0.5 * width
    coat, cloth, skin, hair = _clothes(rng)
    parts: list[Facets] = []
    for side, swing in ((1.0, 1.0), (-1.0, -1.0)):
        y = 0.42 * b * side
        leg = np.array([[0.55 * a * swing, y, 0.03], [0.34 * a * swing, y, 0.16],
                        [0.1 * a * swing, y, 0.46]]) * [1, 1, height]  # fmt: skip
        parts.append(_limb(leg, [0.34 * b, 0.36 * b, 0.44 * b], cloth, "pedestrian"))
        foot = np.array([[0.42 * a * swing, y, 0.05], [0.95 * a * swing, y, 0.04]])
        parts.append(_limb(foot, [0.24 * b, 0.2 * b], SHOE, "pedestrian"))
        arm = np.array(
            [
                [0, 0.80 * b * side, 0.79 * height],
                [-0.25 * a * swing, 0.88 * b * side, 0.60 * height],
                [-0.1 * a * swing, 0.86 * b * side, 0.44 * height],
            ]
        )
        parts.append(_limb(arm, [0.17 * b, 0.17 * b, 0.12 * b], 0.74 * coat, "pedestrian"))
        hand = arm[-1] - np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.05 * height]])
        parts.append(_limb(hand, [0.13 * b, 0.10 * b], skin, "pedestrian"))
    parts.append(_coat(a, b, height, coat, cloth))
    parts.append(_head(np.array([0.0, 0.0, 0.915 * height]), 0.088 * height, skin, hair,
                       "pedestrian"))  # fmt: skip
    return joined(parts)


def cyclist(size: tuple[float, float, float], seed: int) -> Facets:
    """A bicycle with bags and its rider."""
    rng = np.random.default_rng([seed, 13])
    length, width, height = size
    coat, cloth, skin, hair = _clothes(rng)
    radius = min(0.36, 0.2 * length)
    back, front = -0.5 * length + radius, 0.5 * length - radius
    frame = np.array(COATS[int(rng.integers(len(COATS)))])
    hip = np.array([-0.12 * length, 0.0, 0.56 * height])
    hands = np.array([front - 0.06 * length, 0.0, 0.60 * height])
    pedal = np.array([0.0, 0.0, 0.85 * radius])
    parts = [_wheel(back, radius), _wheel(front, radius)]
    for start, end in (
        ((back, 0, radius), pedal), (pedal, hip), ((back, 0, radius), hip), (hip, hands),
        (pedal, hands), ((front, 0, radius), hands),
    ):  # fmt: skip
        parts.append(_limb(np.array([start, end]), [0.035, 0.035], frame, "bicycle"))
    bag = 0.85 * radius
    parts.append(box((-0.5 * length, -0.4 * width, radius), (back + bag, 0.4 * width,
                 0.52 * height), 0.14, plain(0.6 * frame + 0.1), "bicycle"))  # fmt: skip
    parts.append(box((front - 0.1, -0.3 * width, 1.2 * radius), (0.5 * length - 0.02, 0.3 * width,
                 0.56 * height), 0.14, plain((0.35, 0.26, 0.16)), "bicycle"))  # fmt: skip
    parts += _rider(hip, hands, pedal, size, (coat, cloth, skin, hair))
    return joined(parts)


def motorcycle(size: tuple[float, float, float], seed: int) -> Facets:
    """A motorcycle, its tank, lights and rider with a helmet."""
    rng = np.random.default_rng([seed, 15])
    length, width, height = size
    coat, cloth, skin, _ = _clothes(rng)
    radius = min(0.34, 0.18 * length)
    back, front = -0.5 * length + radius, 0.5 * length - radius
    paint = np.array(COATS[int(rng.integers(len(COATS)))])
    hip = np.array([-0.10 * length, 0.0, 0.52 * height])
    hands = np.array([0.22 * length, 0.0, 0.62 * height])
    pedal = np.array([-0.02 * length, 0.0, 0.8 * radius])

    def lights(face: str, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        colours = np.tile(paint, (*u.shape, 1))
        lamp = np.full(u.shape, face in ("front", "back")) & (v > 0.55) & (np.abs(u - 0.5) < 0.3)
        colours[lamp] = FRONT_LIGHT if face == "front" else TAIL_LIGHT
        return colours, np.where(lamp, 1.0, 0.0)

    parts = [_wheel(back, radius, 0.09), _wheel(front, radius, 0.09)]
    parts.append(box((back - 0.1, -0.38 * width, 0.9 * radius), (front - 0.05, 0.38 * width,
                 0.54 * height), 0.12, lights, "vehicle"))  # fmt: skip
    parts.append(box((front - 0.35, -0.36 * width, 1.4 * radius), (front + 0.22, 0.36 * width,
                 0.72 * height), 0.12, lights, "vehicle"))  # fmt: skip
    parts += _rider(hip, hands, pedal, size, (coat, cloth, skin, paint))
    whole = joined(parts)
    return replace(whole, labels=np.full(len(whole), NUMBER["vehicle"], np.uint8))


def _clothes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    coat, cloth, skin, hair = (
        np.array(table[int(rng.integers(len(table)))]) for table in (COATS, TROUSERS, SKINS, HAIRS)
    )
    return coat, cloth, skin, hair


def _coat(a: float, b: float, height: float, coat: np.ndarray, cloth: np.ndarray) -> Facets:
    """Trousers and jacket, in cross-section between an ellipse and a box."""
    z = np.array([0.10, 0.20, 0.30, 0.38, 0.455, 0.47, 0.54, 0.64, 0.74, 0.80, 0.835]) * height
    wide = np.array([0.66, 0.70, 0.74, 0.78, 0.80, 0.90, 0.86, 0.90, 0.93, 0.82, 0.36])
    turn = np.linspace(0, 2 * np.pi, 25)[:, None]
    c, s = np.cos(turn), np.sin(turn)
    x = np.sign(c) * np.abs(c) ** 0.55 * wide * a * 0.94
    y = np.sign(s) * np.abs(s) ** 0.55 * wide * b
    vertices = np.stack([x, y, np.broadcast_to(z, x.shape)], -1)
    middle, low = np.abs(s[:-1] + s[1:]) / 2 < 0.2, z[:-1] < 0.46 * height
    colours = np.where(low[None, :, None], cloth, coat) * np.linspace(0.9, 1.06, 10)[:, None]
    colours = np.where((middle & low)[..., None], 0.45 * colours, colours)  # between the legs
    return sheet(vertices, colour=colours, label="pedestrian", overlap=0.58)


def _head(
    centre: np.ndarray, radius: float, skin: np.ndarray, hair: np.ndarray, label: str
) -> Facets:
    """A ball with a face towards x and hair above and behind."""
    turn, rise = np.linspace(0, 2 * np.pi, 13)[:, None], np.linspace(-0.5, 0.5, 8) * np.pi
    ball = np.stack([np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise),
                     np.broadcast_to(np.sin(rise), (13, 8))], -1)  # fmt: skip
    vertices = centre + radius * ball * [1.0, 0.9, 1.0]
    middle = 0.25 * (ball[:-1, :-1] + ball[1:, :-1] + ball[:-1, 1:] + ball[1:, 1:])
    covered = (middle[..., 2] > 0.45) | ((middle[..., 0] < 0.1) & (middle[..., 2] > -0.35))
    colours = np.where(covered[..., None], hair, skin)
    return sheet(vertices, colour=colours, label=label, overlap=0.6)


def _limb(points: np.ndarray, radii: list[float], colour: np.ndarray | tuple, label: str) -> Facets:
    length = np.linspace(0, 1, len(points))
    fine = np.linspace(0, 1, 5)
    rings = np.stack([np.interp(fine, length, points[:, k]) for k in range(3)], 1)
    return sheet(tube(rings, np.interp(fine, length, radii), 7), colour=colour, label=label,
                 overlap=0.6)  # fmt: skip


def _rider(
    hip: np.ndarray, hands: np.ndarray, pedal: np.ndarray, size: tuple[float, float, float],
    clothes: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> list[Facets]:  # fmt: skip
    """Labelled as the bicycle: it is one track of the log."""
    length, width, height = size
    coat, cloth, skin, hair = clothes
    b = 0.5 * width
    neck = np.array([0.45 * hip[0] + 0.55 * hands[0], 0.0, 0.86 * height])
    torso = np.array([hip, 0.5 * (hip + neck), neck])
    rings = np.stack(
        [np.interp(np.linspace(0, 1, 6), [0, 0.5, 1], torso[:, k]) for k in range(3)], 1
    )
    broad = np.array([0.62, 0.68, 0.72, 0.78, 0.76, 0.4])
    body = tube(rings, np.stack([0.17 * broad / 0.7 * (height / 1.6), broad * b], 1), 10)
    parts = [sheet(body, colour=coat, label="bicycle", overlap=0.6)]
    for side in (1.0, -1.0):
        aside = np.array([0.0, side, 0.0])
        shoulder = neck + [0.0, 0.0, -0.06 * height] + 0.7 * b * aside
        elbow = 0.5 * (shoulder + hands) + 0.35 * b * aside - [0, 0, 0.03 * height]
        parts.append(_limb(np.array([shoulder, elbow, hands + 0.7 * b * aside]),
                           [0.075, 0.065, 0.05], coat, "bicycle"))  # fmt: skip
        knee = 0.5 * (hip + pedal) + [0.13 * length, 0.0, 0.07 * height] + 0.4 * b * aside
        foot = pedal + [0.06 * side, 0.0, -0.10 * side] + 0.35 * b * aside
        parts.append(_limb(np.array([hip + 0.3 * b * aside, knee, foot]), [0.12, 0.10, 0.07],
                           cloth, "bicycle"))  # fmt: skip
        toe = foot + np.array([0.18, 0.0, 0.0])
        parts.append(_limb(np.array([foot, toe]), [0.06, 0.05], SHOE, "bicycle"))
    head = np.array([neck[0] + 0.03 * length, 0.0, 0.915 * height])
    parts.append(_head(head, 0.082 * height, skin, hair, "bicycle"))
    return parts


def _wheel(x: float, radius: float, half: float = 0.03) -> Facets:
    """A tyre and its spokes: a ring and two thin discs in the plane y = 0."""
    turn = np.linspace(0, 2 * np.pi, 19)
    spoke = np.stack([np.sin(turn), 0 * turn, np.cos(turn)], 1)
    middle = np.array([x, 0.0, radius])
    rim = middle + np.array([0.86, 1.0])[:, None, None] * radius * spoke
    across = np.stack(
        [middle + radius * spoke - [0, half, 0], middle + radius * spoke + [0, half, 0]]
    )
    reach = np.array([0.05, 0.35, 0.62, 0.86])[:, None, None] * radius
    disc = middle + reach * spoke
    return joined([
        sheet(rim, colour=TRIM, label="bicycle", overlap=0.6),
        sheet(across, colour=TRIM, label="bicycle", overlap=0.6),
        sheet(disc, colour=(0.42, 0.42, 0.44), label="bicycle", overlap=0.55),
    ])  # fmt: skip
