"""VADv2's planning over a vocabulary (arXiv 2402.13243) on RAD's vector observations.

Each entry is embedded, looks at the scene through the cascaded decoder, and is scored: a softmax
over the entries is the policy. One query more looks for what is of the state alone: its value, and
with `shifted` by how much all entries are moved. So closed-loop learning can take entries for
actions without rendering a camera.

Features: `vector` (b, 515), see `drivelab.agents.rad.vector_encoder`; `entries` (b, k), numbers of
those to score, all of them without it.
Outputs: as `RadNetwork` has them, with the vocabulary as the longitudinal axis: `longitudinal`
(b, entries) or (b, k) logits, `lateral` (b, 1) and `lateral_value` (b,) zeros,
`longitudinal_value` (b,), `progress` and `bend` of the scored entries, shaped as the logits (see
`orders.py`); with `shifted` also `shift` (b, t, 3), x, y [m] and heading [rad] to be
added to an entry, see `shifted_by`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.rad.decoder import PlanningDecoder
from drivelab.agents.rad.vector_encoder import VectorEncoder
from drivelab.agents.vadv2.config import PLANNINGS
from drivelab.agents.vadv2.embedding import embed_trajectories
from drivelab.agents.vadv2.orders import bend_of, progress_of
from drivelab.errors import ConfigError, nearest_name

FRAME = 0.1  # between recorded poses [s]
FURTHEST = (4.0, 4.0, 1.0)  # no shift is longer: x, y [m], heading [rad]
_COUNTS = ("width", "hidden", "layers", "heads", "entries", "poses", "waves")


@dataclass(frozen=True, slots=True)
class VectorVadV2Config:
    """Sizes; small enough for a CPU, since every entry is a query of its own."""

    width: int = 64
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    entries: int = 256  # of the vocabulary; the twin has none
    poses: int = 6  # of a plan
    waves: int = 16
    dt: float = 0.5  # between the poses [s]
    planning: str = "probabilistic"  # or "deterministic": the twin, one plan by regression
    shifted: bool = False  # whether a state moves its entries; the twin has none

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigError(f"vadv2 with {name}={value!r}: expected a whole number from 1 on")
        if not (isfinite(self.dt) and self.dt > 0 and _is_whole(self.dt / FRAME)):
            raise ConfigError(
                f"vadv2 with dt={self.dt:g}: expected a multiple of {FRAME:g} seconds above 0"
            )
        if type(self.shifted) is not bool:
            raise ConfigError(f"vadv2 with shifted={self.shifted!r}: expected true or false")
        if self.planning not in PLANNINGS:
            raise ConfigError(
                f"vadv2 with planning={self.planning}: expected one of {', '.join(PLANNINGS)}"
                f"{nearest_name(str(self.planning), PLANNINGS)}"
            )
        if self.width % self.heads or self.waves % 2:
            raise ConfigError(
                f"vadv2 with width={self.width}, waves={self.waves}: expected a multiple of heads="
                f"{self.heads}, and an even number"
            )


class VectorVadV2(nn.Module):
    """Scene tokens and entries -> a distribution over the entries, and a value.

    Args:
        config: sizes.
        vocabulary: x, y [m], heading [rad] of the entries; None: zeros, to be filled from a file.
    """

    furthest: Tensor

    def __init__(
        self, config: VectorVadV2Config, vocabulary: Float[Tensor, "k t 3"] | None = None
    ) -> None:
        super().__init__()
        self.config = config
        width, wanted = config.width, (config.entries, config.poses, 3)
        if vocabulary is None:
            vocabulary = torch.zeros(wanted)
        if tuple(vocabulary.shape) != wanted:
            raise ConfigError(f"a vocabulary of shape {tuple(vocabulary.shape)}, expected {wanted}")
        self.vocabulary = nn.Parameter(vocabulary.float(), requires_grad=False)
        self.encoder = VectorEncoder(width)
        self.entry_encoder = nn.Sequential(
            nn.Linear(config.poses * 2 * config.waves, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.value_query = nn.Parameter(torch.randn(1, 1, width) / width**0.5)
        self.decoder = PlanningDecoder(width, config.hidden, config.heads, config.layers)
        self.score = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
        self.value = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
        nn.init.zeros_(self.value[-1].weight)  # as RAD's: no accidents are expected at first
        nn.init.zeros_(self.value[-1].bias)
        if config.shifted:
            self.shift = nn.Sequential(
                nn.Linear(width, config.hidden), nn.ReLU(),
                nn.Linear(config.hidden, 3 * config.poses),
            )  # fmt: skip
            nn.init.zeros_(self.shift[-1].weight)  # entries begin as they are
            nn.init.zeros_(self.shift[-1].bias)
            self.register_buffer("furthest", torch.tensor(FURTHEST), persistent=False)

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits and values of a batch."""
        scene = self.encoder(features)
        rows = len(scene.tokens)
        entries = self.entry_encoder(
            embed_trajectories(self.vocabulary[..., :2], self.config.waves)
        )
        orders = progress_of(self.vocabulary), bend_of(self.vocabulary)
        if "entries" in features:
            asked, progress, bend = (of[features["entries"]] for of in (entries, *orders))
        else:
            asked = entries.expand(rows, -1, -1)
            progress, bend = (order.expand(rows, -1) for order in orders)
        queries = torch.cat([self.value_query.expand(rows, -1, -1), asked], 1)
        looked = self.decoder(queries, scene) + (scene.navigation + scene.state)[:, None]
        nothing = looked.new_zeros(rows, 1)
        moved = {"shift": self._shift(looked[:, 0])} if self.config.shifted else {}
        return {
            **moved,
            "lateral": nothing,
            "longitudinal": self.score(looked[:, 1:])[..., 0],
            "lateral_value": nothing[:, 0],
            "longitudinal_value": self.value(looked[:, 0])[:, 0],
            "progress": progress,
            "bend": bend,
        }

    def _shift(self, state: Float[Tensor, "b c"]) -> Float[Tensor, "b t 3"]:
        poses = self.shift(state).unflatten(-1, (self.config.poses, 3))
        return self.furthest * (poses / self.furthest).tanh()


def _is_whole(value: float) -> bool:
    """Whether a finite number is a whole one, up to rounding."""
    return abs(value - round(value)) < 1e-6
