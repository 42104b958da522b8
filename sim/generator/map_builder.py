"""Collect lanes, blocks and areas, and turn them into a placed and rounded lane map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.data.labmini_format import POSITION, quantise, quantise_poses
from drivelab.data.lane_polygons import block_polygon, lane_ring
from drivelab.geometry.poses import compose
from drivelab.types import Area, AreaKind, Block, Lane, LaneMap

LANE_WIDTH = 3.5  # [m]


@dataclass(frozen=True, slots=True, eq=False)
class LaneShape:
    """Centreline and boundaries of one lane before it is placed."""

    centreline: Float[np.ndarray, "n 3"]
    left: Float[np.ndarray, "a 2"]
    right: Float[np.ndarray, "b 2"]


@dataclass(slots=True)
class _LaneDraft:
    shape: LaneShape
    block: str
    speed_limit: float
    neighbours: tuple[str | None, str | None]
    lights: bool = False
    turn: str = ""
    successors: list[str] = field(default_factory=list)
    predecessors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _BlockDraft:
    lanes: tuple[str, ...]
    connector: bool
    intersection: str | None


class MapBuilder:
    """Lanes and areas in a local frame; `build` moves them to `placement` (x, y, yaw).

    `rounded` cuts coordinates to what a file of recorded scenes can hold.
    """

    def __init__(self, placement: Float[np.ndarray, "3"], *, rounded: bool = True) -> None:
        self.placement = placement
        self.rounded = rounded
        self._lanes: dict[str, _LaneDraft] = {}
        self._blocks: dict[str, _BlockDraft] = {}
        self._areas: list[tuple[str, AreaKind, list[np.ndarray]]] = []

    def block(
        self,
        name: str,
        shapes: Sequence[LaneShape],
        *,
        speed_limit: float,
        intersection: str | None = None,
        lights: bool = False,
        turn: str = "",
    ) -> tuple[str, ...]:
        """Add a block with its lanes from left to right; returns the ids of the lanes.

        A block inside an intersection is a connector, and `turn` says which way it leads.
        """
        lanes = tuple(f"{name}/{i}" for i in range(len(shapes)))
        for i, shape in enumerate(shapes):
            left = lanes[i - 1] if i > 0 else None
            right = lanes[i + 1] if i + 1 < len(lanes) else None
            self._lanes[lanes[i]] = _LaneDraft(
                shape, name, speed_limit, (left, right), lights, turn
            )
        self._blocks[name] = _BlockDraft(lanes, intersection is not None, intersection)
        return lanes

    def link(self, lane: str, follower: str) -> None:
        """Let `follower` be entered from the end of `lane`."""
        gap = self._lanes[lane].shape.centreline[-1] - self._lanes[follower].shape.centreline[0]
        if np.hypot(gap[0], gap[1]) > 1e-3:
            raise ValueError(f"lane {follower} begins {np.hypot(*gap[:2]):.3f} m from {lane}'s end")
        self._lanes[lane].successors.append(follower)
        self._lanes[follower].predecessors.append(lane)

    def area(
        self,
        name: str,
        kind: AreaKind,
        ring: Float[np.ndarray, "n 2"],
        *,
        hole: Float[np.ndarray, "m 2"] | None = None,
    ) -> None:
        """Add an area by its outline (closed or not) and at most one hole."""
        self._areas.append((name, kind, [ring] if hole is None else [ring, hole]))

    def build(self, name: str) -> LaneMap:
        """The map in its place."""
        lanes = {lane: self._lane(lane, draft) for lane, draft in self._lanes.items()}
        blocks = {
            block: Block(
                id=block,
                lanes=draft.lanes,
                polygon=block_polygon([lanes[lane] for lane in draft.lanes]),
                connector=draft.connector,
                successors=self._blocks_of(draft.lanes, lanes, forward=True),
                predecessors=self._blocks_of(draft.lanes, lanes, forward=False),
                intersection=draft.intersection,
            )
            for block, draft in self._blocks.items()
        }
        return LaneMap(name, lanes, blocks, tuple(self._area(*area) for area in self._areas))

    def _lane(self, name: str, draft: _LaneDraft) -> Lane:
        left, right = self._place(draft.shape.left), self._place(draft.shape.right)
        centreline = compose(self.placement, draft.shape.centreline)
        return Lane(
            id=name,
            centreline=quantise_poses(centreline) if self.rounded else centreline,
            polygon=shapely.Polygon(lane_ring(left, right)),
            connector=self._blocks[draft.block].connector,
            block=draft.block,
            speed_limit=draft.speed_limit,
            successors=tuple(draft.successors),
            predecessors=tuple(draft.predecessors),
            left=draft.neighbours[0],
            right=draft.neighbours[1],
            left_boundary=left,
            right_boundary=right,
            has_traffic_lights=draft.lights,
            turn=draft.turn,
        )

    def _blocks_of(
        self, members: Sequence[str], lanes: dict[str, Lane], *, forward: bool
    ) -> tuple[str, ...]:
        near = [
            lanes[other].block
            for lane in members
            for other in (lanes[lane].successors if forward else lanes[lane].predecessors)
        ]
        return tuple(dict.fromkeys(near))

    def _area(self, name: str, kind: AreaKind, rings: list[np.ndarray]) -> Area:
        placed = [self._place(ring) for ring in rings]
        return Area(name, kind, shapely.Polygon(placed[0], placed[1:]))

    def _place(self, points: np.ndarray) -> np.ndarray:
        poses = np.column_stack([points[:, :2], np.zeros(len(points))])
        placed = compose(self.placement, poses)[:, :2]
        return quantise(placed, POSITION) if self.rounded else placed


def strip(centreline: Float[np.ndarray, "n 3"], width: float = LANE_WIDTH) -> LaneShape:
    """A lane of constant width about its centreline."""
    return LaneShape(centreline, boundary(centreline, width / 2), boundary(centreline, -width / 2))


def boundary(path: Float[np.ndarray, "n 3"], left: float) -> Float[np.ndarray, "m 2"]:
    """The path shifted to its left by `left` [m], without the inner vertices of straight parts."""
    normal = path[:, 2] + np.pi / 2
    shifted = np.column_stack(
        [path[:, 0] + left * np.cos(normal), path[:, 1] + left * np.sin(normal)]
    )
    yaw = np.unwrap(path[:, 2])
    bends = (np.abs(np.diff(yaw[:-1])) > 1e-9) | (np.abs(np.diff(yaw[1:])) > 1e-9)
    return shifted[np.concatenate([[True], bends, [True]])]
