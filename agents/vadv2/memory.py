"""Tokens of earlier frames, kept and carried along with the ego: each frame is encoded once.

Stands for the paper's streaming over image sequences, whose released config carries the BEV map of
the frame before; here the agent and map tokens themselves are carried, with where and when they
were made. Gradients do not go back into earlier frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

PLACE = 5  # x, y [m], cosine, sine of the heading, age [s]


@dataclass(frozen=True, slots=True, eq=False)
class SceneTokens:
    """What an encoder makes of one frame.

    Attributes:
        image: of the fused camera and lidar cells, and one of the ego's status.
        agents: of the road users.
        map: of the road.
    """

    image: Float[Tensor, "b n c"]
    agents: Float[Tensor, "b a c"]
    map: Float[Tensor, "b m c"]


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """Earlier frames of a batch, the latest first.

    Attributes:
        agents: tokens of road users.
        map: tokens of the road.
        poses: of the ego at those frames: x, y [m], yaw [rad] in the ego frame of now.
        ages: of the frames [s].
        absent: frames that a scene does not have.
    """

    agents: Float[Tensor, "b f a c"]
    map: Float[Tensor, "b f m c"]
    poses: Float[Tensor, "b f 3"]
    ages: Float[Tensor, "b f"]
    absent: Bool[Tensor, "b f"]

    def moved(self, motion: Float[Tensor, "b 3"], elapsed: float) -> Memory:
        """As seen from where the ego has come.

        Args:
            motion: pose of the ego now in its frame of before: x, y [m], yaw [rad].
            elapsed: since then [s].
        """
        return Memory(
            self.agents, self.map, seen_from(self.poses, motion), self.ages + elapsed, self.absent
        )

    def with_frame(self, tokens: SceneTokens, most: int) -> Memory:
        """One more frame, that of now; the oldest beyond `most` are forgotten."""
        rows = len(tokens.agents)
        now = self.poses.new_zeros(rows, 1)
        found = (
            torch.cat([tokens.agents.detach()[:, None], self.agents], 1),
            torch.cat([tokens.map.detach()[:, None], self.map], 1),
            torch.cat([now[..., None].expand(-1, -1, 3), self.poses], 1),
            torch.cat([now, self.ages], 1),
            torch.cat([now.bool(), self.absent], 1),
        )
        return Memory(*(part[:, :most] for part in found))


def no_memory(tokens: SceneTokens) -> Memory:
    """Of scenes that have just begun."""
    agents, road = tokens.agents, tokens.map
    rows = len(agents)
    nothing = agents.new_zeros(rows, 0)
    return Memory(
        agents.new_zeros(rows, 0, *agents.shape[1:]), road.new_zeros(rows, 0, *road.shape[1:]),
        nothing[..., None].expand(-1, -1, 3), nothing, nothing.bool(),
    )  # fmt: skip


def seen_from(
    poses: Float[Tensor, "b f 3"], motion: Float[Tensor, "b 3"]
) -> Float[Tensor, "b f 3"]:
    """Poses in the frame of `motion`, which is given in the same frame as they are."""
    x, y = (poses[..., :2] - motion[:, None, :2]).unbind(-1)
    cos, sin = motion[:, None, 2].cos(), motion[:, None, 2].sin()
    turned = poses[..., 2] - motion[:, None, 2]
    return torch.stack([cos * x + sin * y, cos * y - sin * x, turned], -1)


class Recall(nn.Module):
    """Adds earlier frames to the tokens of now, each told where and when it was."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.place = nn.Sequential(nn.Linear(PLACE, width), nn.ReLU(), nn.Linear(width, width))

    def forward(
        self, now: Float[Tensor, "b n c"], before: Float[Tensor, "b f n c"], memory: Memory
    ) -> tuple[Float[Tensor, "b k c"], Bool[Tensor, "b k"]]:
        """Tokens of all frames, and which of them stand for nothing."""
        heading = memory.poses[..., 2:]
        told = [memory.poses[..., :2], heading.cos(), heading.sin(), memory.ages[..., None]]
        placed = before + self.place(torch.cat(told, -1))[:, :, None]
        absent = memory.absent[..., None].expand(-1, -1, before.shape[2]).flatten(1)
        present = torch.zeros_like(now[..., 0], dtype=torch.bool)
        return torch.cat([now, placed.flatten(1, 2)], 1), torch.cat([present, absent], 1)
