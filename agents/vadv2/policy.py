"""VADv2 (arXiv 2402.13243): planning tokens look at scene tokens, and one of them is driven.

Features and targets: those of `drivelab.agents.transfuser.policy`, whose sight it shares in place
of the paper's six cameras, so its scene tokens are: cells of the fused camera and lidar map
("image"), the queries of road users, and patches of the fine map from which the BEV semantics are
read. There are no tokens of traffic lights, which the targets do not hold.
Outputs: `trajectory` (b, 8, 3): x, y [m], heading [rad] at 0.5 s ... 4 s in the ego frame; of a
vocabulary also `modes`, `mode_scores`, `vocabulary_scores` (see `ProbabilisticHead.chosen`); and
TransFuser's `agent_states`, `agent_labels`, `bev_semantic_map`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drivelab.agents.encoders.grids import to_tokens
from drivelab.agents.transfuser.perception import Perception
from drivelab.agents.transfuser.policy import perception_losses
from drivelab.agents.vadv2.cascade import Keys
from drivelab.agents.vadv2.config import VadV2Config
from drivelab.agents.vadv2.conflicts import Surroundings, conflicting
from drivelab.agents.vadv2.head import ProbabilisticHead, Scene, make_head
from drivelab.agents.vadv2.losses import (
    conflict_loss,
    distances,
    distribution_loss,
    drawn_entries,
    taught_distribution,
    taught_spread,
)
from drivelab.agents.vadv2.memory import Memory, Recall, SceneTokens, no_memory
from drivelab.errors import ConfigError, DataError

PATCH = 4  # cells of the fine map along each side of a map token


class VadV2Network(Perception):
    """TransFuser's encoders, the cascade and the distribution, or the deterministic twin."""

    config: VadV2Config

    def __init__(self, config: VadV2Config | None = None) -> None:
        config = config or VadV2Config()
        super().__init__(config)
        width, (rows, columns) = config.width, config.fine_cells
        self._map_patches = nn.Conv2d(config.bev_channels, width, PATCH, stride=PATCH)
        self._map_embedding = nn.Embedding(rows * columns // PATCH**2, width)
        self._planning_head = make_head(config)
        if config.frames > 1:
            self._recall = Recall(width)

    def forward(
        self,
        features: Mapping[str, Tensor],
        *,
        memory: Memory | None = None,
        noise: Float[Tensor, "b m"] | None = None,
    ) -> dict[str, Tensor]:
        """Plan, road users and BEV semantics of a batch.

        Args:
            features: of now.
            memory: earlier frames, as seen from now; None: there are none.
            noise: of the choice among entries, only to choose it oneself.
        """
        return self._answer(*self.perceive(features), features, memory, noise)

    def stream(
        self, features: Mapping[str, Tensor], memory: Memory | None
    ) -> tuple[dict[str, Tensor], Memory]:
        """`forward`, and the memory with this frame, to be `moved` before the next one."""
        tokens, fine = self.perceive(features)
        kept = no_memory(tokens) if memory is None else memory
        outputs = self._answer(tokens, fine, features, memory, None)
        return outputs, kept.with_frame(tokens, self.config.frames - 1)

    def loss(
        self,
        features: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        *,
        memory: Memory | None = None,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """The sum under `loss`, and its weighted parts: of the plan, and of the scene tokens.

        Args:
            features: of now.
            targets: of now.
            memory: earlier frames, as seen from now; None: there are none.
            generator: of which entries teach.
        """
        self._check_horizon(targets["trajectory"])
        tokens, fine = self.perceive(features)
        scene, status = self.seen(tokens, memory), features["status_feature"]
        head = self._planning_head
        if isinstance(head, ProbabilisticHead):
            parts = self._taught(head, scene, status, targets, generator)
        else:
            plan = F.l1_loss(head(scene, status)["trajectory"], targets["trajectory"])
            parts = {"trajectory_loss": self.config.trajectory_weight * plan}
        outputs = self.describe(fine, tokens.agents[:, 1:])
        parts |= perception_losses(self.config, outputs, targets)
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def perceive(
        self, features: Mapping[str, Tensor]
    ) -> tuple[SceneTokens, Float[Tensor, "b d v u"]]:
        """The tokens of a frame, and the fine map of its semantics.

        The first of the agent tokens is the ego's own query.
        """
        keys, fine = self.see(features)
        ego, agents = self.ask(keys)
        return SceneTokens(keys, torch.cat([ego, agents], 1), self.map_tokens(fine)), fine

    def map_tokens(self, fine: Float[Tensor, "b d v u"]) -> Float[Tensor, "b m c"]:
        """One token for each patch of the fine map, row by row."""
        return to_tokens(self._map_patches(fine)) + self._map_embedding.weight

    def seen(self, tokens: SceneTokens, memory: Memory | None) -> Scene:
        """What the cascade looks at: road users and map of all frames, the image of now."""
        agents, road = Keys(tokens.agents), Keys(tokens.map)
        if memory is not None and self.config.frames == 1:
            raise ConfigError(
                "a memory given to a network of frames=1; make one with agent.frames=4, or leave "
                "it out"
            )
        if memory is not None:
            agents = Keys(*self._recall(tokens.agents, memory.agents, memory))
            road = Keys(*self._recall(tokens.map, memory.map, memory))
        return {"image": Keys(tokens.image), "agents": agents, "road": road}

    def _answer(
        self, tokens: SceneTokens, fine: Tensor, features: Mapping[str, Tensor],
        memory: Memory | None, noise: Tensor | None,
    ) -> dict[str, Tensor]:  # fmt: skip
        head, status = self._planning_head, features["status_feature"]
        drawn = head.drawn(len(status)) if noise is None else {"noise": noise}
        plan = head(self.seen(tokens, memory), status, **drawn)
        return {**plan, **self.describe(fine, tokens.agents[:, 1:])}

    def _taught(
        self, head: ProbabilisticHead, scene: Scene, status: Tensor, targets: Mapping[str, Tensor],
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:  # fmt: skip
        recorded, rows = targets["trajectory"].to(head.vocabulary.dtype), len(status)
        nearest = distances(head.vocabulary.expand(rows, -1, -1, -1), recorded).argmin(-1)
        total, count = len(head.vocabulary), self.config.sampled
        chosen = drawn_entries(nearest, total, count, generator)
        entries, tokens = head.vocabulary[chosen], head.tokens(head.vocabulary)[chosen]
        conflict = conflicting(entries, recorded, self._surroundings(targets))
        apart = distances(entries, recorded)
        scores = head.scores(tokens, scene, status)
        spread = taught_spread(self.config.label_spread, head.spacing)
        taught = taught_distribution(apart, conflict, spread=spread)
        return {
            "distribution_loss": self.config.distribution_weight
            * distribution_loss(scores, taught),
            "conflict_loss": self.config.conflict_weight
            * conflict_loss(scores, conflict, apart.argmin(-1)),
        }

    def _surroundings(self, targets: Mapping[str, Tensor]) -> Surroundings:
        return Surroundings(
            targets["agent_states"], targets["agent_labels"], targets["bev_semantic_map"],
            self.config.lidar_range / self.config.semantic_cells[0],
        )  # fmt: skip

    def _check_horizon(self, target: Tensor) -> None:
        if tuple(target.shape[1:]) != (self.config.poses, 3):
            raise DataError(
                f"shape {tuple(target.shape)}, expected (batch, {self.config.poses}, 3): the "
                f"network plans {self.config.poses} poses",
                where="targets['trajectory']",
            )
