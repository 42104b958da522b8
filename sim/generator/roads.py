"""Roads: carriageways of parallel lanes along a reference line, cut into blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from drivelab.geometry.poses import wrap_angle
from drivelab.sim.generator.map_builder import LANE_WIDTH, LaneShape, MapBuilder, boundary
from drivelab.types import AreaKind

BLOCK_LENGTH = 80.0  # aimed length of a block [m]


@dataclass(frozen=True, slots=True)
class Carriageway:
    """Lanes of one direction: `chains[i]` are the ids of lane i (0 = left) from block to block."""

    blocks: tuple[str, ...]
    chains: tuple[tuple[str, ...], ...]

    def first(self, lane: int) -> str:
        """Id of the first piece of a lane."""
        return self.chains[lane][0]

    def last(self, lane: int) -> str:
        """Id of the last piece of a lane."""
        return self.chains[lane][-1]


@dataclass(frozen=True, slots=True)
class Road:
    """Both directions of a road; `forward` runs along the reference line."""

    forward: Carriageway
    backward: Carriageway


def carriageway(
    builder: MapBuilder,
    name: str,
    reference: Float[np.ndarray, "n 3"],
    lanes: int,
    *,
    speed_limit: float,
    left: float = 0.0,
    width: float = LANE_WIDTH,
) -> Carriageway:
    """Lanes `width` [m] wide right of the reference line; their left edge is `left` [m] from it."""
    spacing = np.hypot(*np.diff(reference[:2, :2], axis=0)[0])
    per_block = max(2, round(BLOCK_LENGTH / spacing))
    pieces = max(1, round((len(reference) - 1) / per_block))
    cuts = np.rint(np.linspace(0, len(reference) - 1, pieces + 1)).astype(int)
    blocks, rows = [], []
    for k, (start, stop) in enumerate(pairwise(cuts)):
        part = reference[start : stop + 1]
        shapes = [lane_beside(part, left - i * width, width) for i in range(lanes)]
        blocks.append(f"{name}{k}")
        rows.append(builder.block(blocks[-1], shapes, speed_limit=speed_limit))
    chains = tuple(zip(*rows, strict=True))
    for chain in chains:
        link_chain(builder, chain)
    return Carriageway(tuple(blocks), chains)


def road(
    builder: MapBuilder,
    name: str,
    reference: Float[np.ndarray, "n 3"],
    *,
    lanes: tuple[int, int],
    speed_limit: float,
    width: float = LANE_WIDTH,
) -> Road:
    """A road with `lanes` (forward, backward) on the two sides of the reference line."""
    ahead = carriageway(
        builder, f"{name}f", reference, lanes[0], speed_limit=speed_limit, width=width
    )
    back = carriageway(
        builder, f"{name}b", reverse(reference), lanes[1], speed_limit=speed_limit, width=width
    )
    return Road(ahead, back)


def lane_beside(
    reference: Float[np.ndarray, "n 3"], left: float, width: float = LANE_WIDTH
) -> LaneShape:
    """A lane `width` [m] wide whose left edge is `left` [m] to the left of the reference line."""
    return LaneShape(
        shift(reference, left - width / 2),
        boundary(reference, left),
        boundary(reference, left - width),
    )


def shift(path: Float[np.ndarray, "n 3"], left: float) -> Float[np.ndarray, "n 3"]:
    """The path moved to its left by `left` [m], headings kept."""
    normal = path[:, 2] + np.pi / 2
    return np.column_stack(
        [path[:, 0] + left * np.cos(normal), path[:, 1] + left * np.sin(normal), path[:, 2]]
    )


def reverse(path: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """The path driven the other way."""
    turned = path[::-1].copy()
    turned[:, 2] = wrap_angle(turned[:, 2] + np.pi)
    return turned


def link_chain(builder: MapBuilder, lanes: Sequence[str]) -> None:
    """Link each lane to the next."""
    for lane, follower in pairwise(lanes):
        builder.link(lane, follower)


def roadside(
    builder: MapBuilder,
    name: str,
    reference: Float[np.ndarray, "n 3"],
    *,
    edges: tuple[float, float],
    kind: AreaKind,
) -> None:
    """An area along the road between two offsets [m] to the left of the reference line."""
    ring = np.concatenate([boundary(reference, edges[0]), boundary(reference, edges[1])[::-1]])
    builder.area(name, kind, ring)
