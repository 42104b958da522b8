"""What stands at the kerb: street lamps, stop and give-way signs."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.sim.splats.assets.surfaces import Facets, joined, sheet, tube
from drivelab.sim.splats.street.crossings import waiting_lanes
from drivelab.sim.splats.street.ground import Kerb
from drivelab.sim.splats.street.site import Border, Site

STEEL, LAMP = (0.42, 0.43, 0.45), (1.0, 0.86, 0.58)
EVERY = 26.0  # distance between street lamps along a kerb [m]
SETBACK, POLE, ARM = 0.7, 6.6, 1.8  # of a lamp from the kerb; its height and reach [m]
RED, WHITE, GREY = (0.78, 0.07, 0.08), (0.92, 0.92, 0.90), (0.50, 0.50, 0.52)


def plan_lamps(kerb: Kerb, rng: np.random.Generator) -> Float[np.ndarray, "n 2 2"]:
    """Foot and direction towards the road of every street lamp."""
    step = max(1, round(EVERY / 0.5))
    chosen = np.arange(int(rng.integers(step)), len(kerb.starts), step)
    out = kerb.out[chosen]
    feet = 0.5 * (kerb.starts + kerb.ends)[chosen] + SETBACK * out
    return np.stack([feet, -out], 1)


def build_lamps(lamps: Float[np.ndarray, "n 2 2"]) -> Facets:
    """Poles with an arm over the road and a lamp at its end."""
    parts = []
    for foot, way in lamps:
        top = np.append(foot, POLE)
        tip = top + np.append(ARM * way, 0.35)
        parts.append(pole(np.append(foot, 0.0), top, 0.075))
        parts.append(pole(top, tip, 0.045))
        end = tip + np.append(0.45 * way, 0.0)
        parts.append(sheet(
            tube(np.linspace(tip, end, 4), np.array([0.14, 0.09]) * np.ones((4, 1)), 6),
            colour=LAMP, label="pole", glow=1.0, overlap=0.6,
        ))  # fmt: skip
    return joined(parts)


def lamp_heads(lamps: Float[np.ndarray, "n 2 2"]) -> Float[np.ndarray, "n 3"]:
    """Where the light of street lamps comes from."""
    head = lamps[:, 0] + (ARM + 0.3) * lamps[:, 1]
    return np.column_stack([head, np.full(len(head), POLE + 0.3)])


def build_signs(site: Site) -> Facets:
    """A stop or give-way sign at the right end of every lane that one guards."""
    control = site.lane_map.control
    stops, yields = set(control.stop_signs), set(control.yield_signs)
    parts = []
    for border, _ in waiting_lanes(site):
        after = set(border.lane.successors)
        if not after & (stops | yields):
            continue
        foot = roadside(site, border)
        if foot is None:
            continue
        turn = border.lane.centreline[-1, 2]
        back = -np.array([np.cos(turn), np.sin(turn), 0.0])
        parts.append(pole(np.append(foot, 0.0), np.append(foot, 2.1), 0.035))
        parts.append(_plate(np.append(foot, 2.35) + 0.06 * back, back, bool(after & stops)))
    return joined(parts)


def roadside(site: Site, border: Border) -> Float[np.ndarray, "2"] | None:
    """The first place off the asphalt to the right of a lane's end; None within 15 m."""
    turn = border.lane.centreline[-1, 2]
    right = np.array([np.sin(turn), -np.cos(turn)])
    steps = np.arange(0.0, 15.0, 0.25)[:, None]
    line = border.right[-1] - 0.5 * np.array([np.cos(turn), np.sin(turn)]) + steps * right
    off = ~site.on_road(line)
    return line[int(off.argmax())] + 0.6 * right if off.any() else None


def pole(foot: np.ndarray, top: np.ndarray, radius: float, colour: tuple = STEEL) -> Facets:
    """A thin tube between two points."""
    count = max(2, round(float(np.linalg.norm(top - foot)) / 0.6) + 1)
    rings = foot + np.linspace(0, 1, count)[:, None] * (top - foot)
    return sheet(tube(rings, np.full(count, radius), 4), colour=colour, label="pole", overlap=0.6)


def disc(
    centre: np.ndarray, out: np.ndarray, radius: float, sides: int, *, colour: tuple,
    label: str, glow: float = 0.0, turn: float = 0.0,
) -> Facets:  # fmt: skip
    """A flat plate of so many sides that looks along the unit vector `out`, which is level."""
    right = np.array([-out[1], out[0], 0.0])
    angles = turn + np.linspace(0, 2 * np.pi, 2 * sides + 1)
    # Between its corners a plate's rim is a straight line.
    rim = np.cos(np.pi / sides) / np.cos((angles - turn) % (2 * np.pi / sides) - np.pi / sides)
    spoke = np.cos(angles)[:, None] * right + np.sin(angles)[:, None] * [0.0, 0.0, 1.0]
    rings = np.linspace(0.0, 1.0, 4)[:, None, None]
    vertices = centre + rings * radius * (rim[:, None] * spoke)[None]
    return sheet(vertices, colour=colour, label=label, glow=glow, overlap=0.5)


def _plate(centre: np.ndarray, out: np.ndarray, stop: bool) -> Facets:
    back = disc(centre - 0.03 * out, -out, 0.42, 8 if stop else 3, colour=GREY, label="sign")
    sides, turn = (8, np.pi / 8) if stop else (3, -np.pi / 2)
    rim, field = (WHITE, RED) if stop else (RED, WHITE)
    parts = [back, disc(centre, out, 0.45, sides, colour=rim, label="sign", turn=turn)]
    parts.append(disc(centre + 0.02 * out, out, 0.36 if stop else 0.26, sides, colour=field,
                      label="sign", turn=turn))  # fmt: skip
    if stop:
        right = np.array([-out[1], out[0], 0.0])
        word = centre + 0.04 * out + np.linspace(-0.2, 0.2, 5)[:, None, None] * right
        bar = np.array([-0.07, 0.07])[None, :, None] * np.array([0.0, 0.0, 1.0])
        parts.append(sheet(word + bar, colour=WHITE, label="sign", overlap=0.4))
    return joined(parts)
