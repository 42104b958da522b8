"""Shapes of a one-lane ring about the origin: onto it, along it, off it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.sim.generator.map_builder import LANE_WIDTH
from drivelab.sim.generator.shapes import Piece, pin, trace

LEAD = 4.0  # straight piece between an arm's end and the bend of its entry [m]


@dataclass(frozen=True, slots=True)
class Ring:
    """Sizes [m] and the angle [rad] between an arm and where its entry has reached the ring."""

    radius: float
    flare: float
    half: float
    apart: float

    @classmethod
    def of(cls, radius: float, flare: float) -> Ring:
        """An entry runs LEAD straight on, then bends right until it meets the ring."""
        aside = LANE_WIDTH / 2 + flare
        reach = float(np.sqrt((radius + flare) ** 2 - aside**2))
        return cls(radius, flare, reach + LEAD, float(np.arctan2(aside, reach)))

    def entry(self, angle: float) -> Float[np.ndarray, "n 3"]:
        """From an arm's end onto the ring."""
        outward = np.array([np.cos(angle), np.sin(angle)])
        left = np.array([-outward[1], outward[0]])
        start = np.array([*(self.half * outward + LANE_WIDTH / 2 * left), angle + np.pi])
        bend = np.pi / 2 - self.apart
        pieces: list[Piece] = [
            (LEAD, 0.0, 0.0),
            (bend * self.flare, -1.0 / self.flare, -1.0 / self.flare),
        ]
        theta = angle + self.apart
        ring = self.radius * np.array([np.cos(theta), np.sin(theta)])
        return pin(trace(start, pieces, spacing=1.0), ring)

    def exit(self, angle: float) -> Float[np.ndarray, "n 3"]:
        """From the ring to an arm's end: the entry mirrored about the arm."""
        path = self.entry(angle)[::-1]
        cos, sin = np.cos(2 * angle), np.sin(2 * angle)
        x, y = path[:, 0], path[:, 1]
        return np.column_stack(
            [cos * x + sin * y, sin * x - cos * y, 2 * angle - path[:, 2] + np.pi]
        )

    def arc(self, start: float, stop: float) -> Float[np.ndarray, "n 3"]:
        """Along the ring between two polar angles, counter-clockwise."""
        sweep = (stop - start) % (2.0 * np.pi)
        pose = np.array(
            [self.radius * np.cos(start), self.radius * np.sin(start), start + np.pi / 2]
        )
        bend = 1.0 / self.radius
        path = trace(pose, [(sweep * self.radius, bend, bend)], spacing=1.0)
        return pin(path, self.radius * np.array([np.cos(stop), np.sin(stop)]))
