"""VADv2's policy as reinforcement draws from it: the likeliest entries, and their plans.

Far more entries than these have next to no probability; to draw among all of them is to drive what
nobody would, and to learn from a decision asks for all of their scores. So a decision remembers
which entries it was made among, and is learnt from among the same: ratios and divergences are of
the shares among them. The next clips are driven among those that are likeliest then.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from drivelab.agents.vadv2.choice import shifted_by
from drivelab.agents.vadv2.vector_policy import VectorVadV2, VectorVadV2Config


class LikeliestVadV2(VectorVadV2):
    """`VectorVadV2` that tells of the likeliest entries alone; it takes the same weights.

    Outputs: as there, of `longitudinal` (b, k) the largest logits; `entries` (b, k), their numbers;
    `plans` (b, k, t, 3).

    Args:
        config: sizes.
        drawn: how many entries; all of them where there are not more.
    """

    def __init__(self, config: VectorVadV2Config, drawn: int) -> None:
        super().__init__(config)
        self.drawn = min(drawn, config.entries)

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits, numbers and plans of the likeliest entries, and values."""
        outputs = super().forward(features)
        likeliest = outputs["longitudinal"].topk(self.drawn, dim=-1)
        entries = likeliest.indices
        return {
            **outputs, "longitudinal": likeliest.values, "entries": entries,
            "plans": shifted_by(self.vocabulary[entries], outputs.get("shift")),
        }  # fmt: skip
