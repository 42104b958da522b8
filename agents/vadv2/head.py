"""From scene tokens to a plan: a distribution over the vocabulary, or its twin's one trajectory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.transfuser.exact import exactly
from drivelab.agents.transfuser.inputs import COMMANDS, STATUS
from drivelab.agents.transfuser.policy import RegressionHead
from drivelab.agents.vadv2.cascade import Cascade, Keys
from drivelab.agents.vadv2.choice import choice_noise, neighbours_mean
from drivelab.agents.vadv2.config import VadV2Config
from drivelab.agents.vadv2.embedding import embed_trajectories
from drivelab.agents.vadv2.vocabulary import make_vocabulary, spacing
from drivelab.errors import ConfigError

Scene = Mapping[str, Keys]  # `image`, `agents`, `road`
SURE = 1e-7  # probabilities are told up to so far from 0 and 1, as logits


class PlanningHead(nn.Module):
    """What both ways of planning share: the cascade, and where to go and how fast one is."""

    def __init__(self, config: VadV2Config) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.cascade = Cascade(width, config.hidden, config.heads)
        self.navigation = _mlp(COMMANDS, width)
        self.state = _mlp(STATUS - COMMANDS, width)

    def looked(
        self, x: Float[Tensor, "b k c"], scene: Scene, status: Float[Tensor, "b s"]
    ) -> Float[Tensor, "b k c"]:
        """Cascade(x, E_env) + E_navi + E_state."""
        told = self.navigation(status[:, :COMMANDS]) + self.state(status[:, COMMANDS:])
        return self.cascade(x, **scene) + told[:, None]


class DeterministicHead(PlanningHead):
    """The twin: one query instead of the entries, and poses instead of their probabilities."""

    def __init__(self, config: VadV2Config) -> None:
        super().__init__(config)
        self.plan_query = nn.Parameter(torch.randn(1, 1, config.width) / config.width**0.5)
        self.regression = RegressionHead(config.width, config.hidden, config.poses)

    def forward(self, scene: Scene, status: Float[Tensor, "b s"]) -> dict[str, Tensor]:
        """`trajectory` (b, t, 3)."""
        query = self.plan_query.expand(len(status), -1, -1)
        return {"trajectory": self.regression(self.looked(query, scene, status))}

    def drawn(self, rows: int) -> dict[str, Tensor]:
        """What `forward` takes beside scene and status: nothing."""
        return {}


class ProbabilisticHead(PlanningHead):
    """p(a) = softmax over a of MLP(Cascade(E(a), E_env) + E_navi + E_state)."""

    def __init__(self, config: VadV2Config) -> None:
        super().__init__(config)
        width, embedded = config.width, config.poses * 2 * config.waves
        self.vocabulary = nn.Parameter(
            torch.zeros(config.entries, config.poses, 3), requires_grad=False
        )
        self._spacing: float | None = None  # once it is asked for
        self.register_load_state_dict_post_hook(_forget_spacing)
        self.entry_encoder = nn.Sequential(
            nn.Linear(embedded, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.score = nn.Sequential(
            nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, 1)
        )

    @property
    def spacing(self) -> float:
        """Median way from an entry to the next one [m]."""
        if self._spacing is None:
            self._spacing = spacing(self.vocabulary.detach().cpu().numpy())
        return self._spacing

    def set_vocabulary(self, vocabulary: Float[Tensor, "m t 3"]) -> None:
        """Take x, y [m], heading [rad] of the entries, which are not trained.

        Raises:
            ConfigError: of another number or horizon than the network's, or not finite.
        """
        wanted, given = tuple(self.vocabulary.shape), tuple(vocabulary.shape)
        if wanted != given:
            raise ConfigError(
                f"a vocabulary of shape {given}, expected {wanted}: {self.config.entries} entries "
                f"of {self.config.poses} poses; say agent.entries={given[0]}, or make another"
            )
        if not bool(torch.isfinite(vocabulary).all()):
            raise ConfigError("a vocabulary with values that are not finite; make it again")
        with torch.no_grad():
            self.vocabulary.copy_(vocabulary)
        _forget_spacing(self)

    def learn_vocabulary(self, recorded: Float[np.ndarray, "n t 3"]) -> None:
        """Take the entries from recorded drives, see `make_vocabulary`."""
        made = make_vocabulary(np.asarray(recorded, float), self.config.entries)
        self.set_vocabulary(torch.from_numpy(made).to(self.vocabulary))

    def forward(
        self, scene: Scene, status: Float[Tensor, "b s"], noise: Float[Tensor, "b m"] | None = None
    ) -> dict[str, Tensor]:
        """As `chosen` tells it, of all entries."""
        tokens = self.tokens(self.vocabulary).expand(len(status), -1, -1)
        return self.chosen(self.scores(tokens, scene, status), noise)

    def tokens(self, entries: Float[Tensor, "*b t 3"]) -> Float[Tensor, "*b c"]:
        """E(a), which knows nothing of the scene."""
        return self.entry_encoder(embed_trajectories(entries[..., :2], self.config.waves))

    def scores(
        self, tokens: Float[Tensor, "b k c"], scene: Scene, status: Float[Tensor, "b s"]
    ) -> Float[Tensor, "b k"]:
        """Logits of the softmax."""
        return exactly(self.score, self.looked(tokens, scene, status))[..., 0]

    def chosen(
        self, scores: Float[Tensor, "b m"], noise: Float[Tensor, "b m"] | None
    ) -> dict[str, Tensor]:
        """The plan that is driven, and the most probable entries.

        Returns:
            `trajectory` (b, t, 3); `modes` (b, k, t, 3), most probable first, and `mode_scores`
            (b, k), whose sigmoids are their probabilities; `vocabulary_scores` (b, m), whose
            softmax is the distribution.
        """
        if self.config.choice == "mean" and noise is None:
            driven = neighbours_mean(scores, self.vocabulary)
        else:
            driven = self.vocabulary[(scores if noise is None else scores + noise).argmax(-1)]
        most = min(self.config.modes, self.config.entries)
        probable = scores.softmax(-1).topk(most, dim=-1)
        return {
            "trajectory": driven,
            "modes": self.vocabulary[probable.indices],
            "mode_scores": torch.logit(probable.values, eps=SURE),
            "vocabulary_scores": scores,
        }

    def drawn(self, rows: int) -> dict[str, Tensor]:
        """`noise` of the choice, if entries are drawn instead of taking the best."""
        if self.config.choice != "sample":
            return {}
        return {"noise": choice_noise(rows, self.vocabulary, self.config.sample_seed)}


def _forget_spacing(head: ProbabilisticHead, missing: object = None) -> None:
    """It is of a vocabulary that is no more."""
    head._spacing = None


def make_head(config: VadV2Config) -> ProbabilisticHead | DeterministicHead:
    """The head of a configuration."""
    kind: Any = ProbabilisticHead if config.planning == "probabilistic" else DeterministicHead
    return kind(config)


def _mlp(given: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(given, width), nn.ReLU(), nn.Linear(width, width))
