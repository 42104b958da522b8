"""Which trajectories hit something or leave the road, as far as the targets of a scene can tell.

VADv2 (arXiv 2402.13243) calls an entry conflicting that meets another road user's recorded future
or a road border. The targets that TransFuser is taught hold neither futures nor borders, but the
boxes of the present and a raster of the road. So here an entry conflicts
- where it leaves the road of the raster, or meets a static thing in it;
- where it meets the box of a vehicle, unless the recorded drive meets that box too: then the
  vehicle was gone by the time.
A scene whose recorded drive itself leaves the raster's road says nothing about the road.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from drivelab.agents.features.semantic import SemanticClass
from drivelab.types import PACIFICA

DISCS = 4  # along the ego, as wide as it
CORNERS_ALONG = 5  # points of an ego's side that are looked up in the raster
KERB = 0.3  # to each side, the ego may stand over the edge of the raster's road [m]
OFF_ROAD = (SemanticClass.NOTHING, SemanticClass.WALKWAY, SemanticClass.STATIC)


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What trajectories can conflict with, of a batch.

    Attributes:
        boxes: of vehicles now: x, y [m], heading [rad], length, width [m] in the ego frame.
        there: which of them exist.
        semantics: classes of the raster; rows forward from the ego, columns from right to left.
        pixel: edge of a cell of it [m].
    """

    boxes: Float[Tensor, "b n 5"]
    there: Bool[Tensor, "b n"]
    semantics: Shaped[Tensor, "b h w"]
    pixel: float


@torch.no_grad()
def conflicting(
    entries: Float[Tensor, "b k t 3"], recorded: Float[Tensor, "b t 3"], scene: Surroundings
) -> Bool[Tensor, "b k"]:
    """Entries that leave the road or meet a vehicle which the recorded drive does not meet."""
    drive = recorded[:, None]
    some = scene.there.any(0)  # most rows of boxes are empty in all scenes
    boxes, there = scene.boxes[:, some], scene.there[:, some]
    gone = _met(drive, boxes)[:, 0]
    met = _met(entries, boxes) & (there & ~gone)[:, None]
    known = ~off_road(drive, scene)
    return met.any(-1) | (off_road(entries, scene) & known)


def off_road(trajectories: Float[Tensor, "b k t 3"], scene: Surroundings) -> Bool[Tensor, "b k"]:
    """Those with a point of the ego's sides beside the road; off the raster nothing is known."""
    side = PACIFICA.width / 2 - KERB
    along = torch.linspace(-PACIFICA.rear_length, PACIFICA.front_length, CORNERS_ALONG)
    points = torch.stack([along.repeat(2), torch.cat([along * 0 - side, along * 0 + side])], -1)
    at = _placed(points.to(trajectories), trajectories)  # b k t p 2
    rows, columns = scene.semantics.shape[1:]
    row = torch.div(at[..., 0], scene.pixel, rounding_mode="floor")
    column = torch.div(at[..., 1], scene.pixel, rounding_mode="floor") + columns // 2
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    flat = row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1)
    classes = scene.semantics.flatten(1).long().gather(1, flat.long().flatten(1)).view_as(flat)
    beside = torch.stack([classes == kind for kind in OFF_ROAD]).any(0)
    return (beside & inside).flatten(2).any(-1)


def _met(
    trajectories: Float[Tensor, "b k t 3"], boxes: Float[Tensor, "b n 5"]
) -> Bool[Tensor, "b k n"]:
    """Which boxes each trajectory touches: the ego as discs of its width."""
    radius = PACIFICA.width / 2
    along = torch.linspace(radius - PACIFICA.rear_length, PACIFICA.front_length - radius, DISCS)
    points = torch.stack([along, torch.zeros_like(along)], -1).to(trajectories)
    at = _placed(points, trajectories).flatten(1, 3)  # b (k d) 2
    centre, heading, half = boxes[..., :2], boxes[..., 2], boxes[..., 3:] / 2
    forward = torch.stack([heading.cos(), heading.sin()], -1)  # b n 2
    left = torch.stack([-heading.sin(), heading.cos()], -1)
    beyond = torch.zeros_like(at[:, :, 0])[:, None].repeat(1, boxes.shape[1], 1)
    with torch.autocast(at.device.type, enabled=False):  # decimetres count
        for axis, reach in ((forward, half[..., 0]), (left, half[..., 1])):  # in frames of boxes
            apart = torch.baddbmm(-(axis * centre).sum(-1)[..., None], axis, at.transpose(1, 2))
            beyond += apart.abs_().sub_(reach[..., None]).clamp_min_(0).square_()
    met = (beyond < radius**2).unflatten(-1, (trajectories.shape[1], -1)).any(-1)
    return met.transpose(1, 2)


def _placed(
    points: Float[Tensor, "p 2"], poses: Float[Tensor, "b k t 3"]
) -> Float[Tensor, "b k t p 2"]:
    """Points of the ego where it stands at each pose."""
    cos, sin = poses[..., 2:].cos(), poses[..., 2:].sin()
    x = poses[..., :1] + cos * points[:, 0] - sin * points[:, 1]
    y = poses[..., 1:2] + sin * points[:, 0] + cos * points[:, 1]
    return torch.stack([x, y], -1)
