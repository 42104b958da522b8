"""The imitation term: what the expert did, as bins, and the loss towards them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from drivelab.agents.rad.actions import log_probs
from drivelab.errors import DataError
from drivelab.planning.rad_anchors import (
    BINS,
    LATERAL,
    LONGITUDINAL,
    STEP_LATERAL,
    STEP_LONGITUDINAL,
    RadAnchors,
    nearest_valid,
)
from drivelab.training.reinforcement.compat import is_released

Network = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]  # features -> outputs
# A network, features, `bins` and `targets` of expert clips, the mask -> losses, `loss` among them
Imitation = Callable[
    [Network, Mapping[str, Tensor], Mapping[str, Tensor], Tensor | None], Mapping[str, Tensor]
]

FOCUS = 2.0  # gamma of the focal loss (arXiv 1708.02002); the paper does not print its own
_MASKED = 1000.0  # distance of masked anchors in the released script


def expert_bins(
    displacement: Float[np.ndarray, "b 2"], anchors: RadAnchors, *, compat: str = "paper"
) -> Int[np.ndarray, "b 2"]:
    """(lateral, longitudinal) bins of the expert's motion over 0.5 s.

    Args:
        displacement: forward and to the left [m], in the ego frame of its start.
        anchors: that are chosen from.
        compat: "paper" takes the nearest bin of each axis, and of the lateral ones a valid one;
            "released" the valid anchor that ends nearest, in shares of the span of all ends.

    Raises:
        ConfigError: no such compat.
        DataError: another shape, or numbers that are not finite.
    """
    given = np.asarray(displacement, float)
    if given.ndim != 2 or given.shape[1] != 2 or not np.isfinite(given).all():
        raise DataError(
            f"shape {given.shape} or numbers that are not finite; expected (batch, 2), forward and "
            "left after 0.5 s; a clip without an expert cannot be imitated, leave it out",
            where="displacement",
        )
    if is_released(compat):
        return _nearest_ends(given, anchors)
    ahead = np.rint((given[:, 0] - LONGITUDINAL[0]) / STEP_LONGITUDINAL)
    aside = np.rint((given[:, 1] - LATERAL[0]) / STEP_LATERAL)
    longitudinal = np.clip(ahead, 0, BINS - 1).astype(int)
    lateral = nearest_valid(np.clip(aside, 0, BINS - 1).astype(int), longitudinal)
    return np.stack([lateral, longitudinal], -1)


def imitation_losses(
    outputs: Mapping[str, Tensor],
    bins: Int[Tensor, "b 2"],
    valid: Bool[Tensor, "m n"] | None,
    *,
    compat: str = "paper",
) -> dict[str, Tensor]:
    """The sum under `loss`, and its parts `lateral_loss` and `longitudinal_loss`; means.

    Args:
        outputs: logits of a network.
        bins: the expert's, (lateral, longitudinal).
        valid: the mask that is driven with; None: none, as in the released script.
        compat: "paper": focal loss; "released": cross-entropy.

    Raises:
        ConfigError: no such compat.
        DataError: logits or masks that cannot be used, or a bin of the expert that is masked.
    """
    released = is_released(compat)
    given = log_probs(outputs, bins[:, 1], valid)
    parts = {}
    for name, log_prob, taken in zip(
        ("lateral_loss", "longitudinal_loss"), given, bins.unbind(-1), strict=True
    ):
        found = log_prob.gather(-1, taken[:, None])[:, 0]
        if bool(torch.isinf(found).any()):
            row = int(torch.isinf(found).nonzero()[0])
            raise DataError(
                f"the expert's bins {bins[row].tolist()} (lateral, longitudinal) are masked; take "
                "those of `expert_bins`",
                where=f"bins, row {row}",
            )
        missed = 1.0 if released else (1.0 - found.exp()) ** FOCUS
        parts[name] = -(missed * found).mean()
    return {"loss": torch.stack(list(parts.values())).sum(), **parts}


def towards_bins(
    network: Network,
    features: Mapping[str, Tensor],
    taught: Mapping[str, Tensor],
    valid: Tensor | None,
) -> dict[str, Tensor]:
    """`imitation_losses` towards the expert's actions."""
    return imitation_losses(network(features), taught["bins"], valid)


def _nearest_ends(given: Float[np.ndarray, "b 2"], anchors: RadAnchors) -> Int[np.ndarray, "b 2"]:
    ends = anchors.poses[:, :, -1, :2].reshape(-1, 2)
    span = np.ptp(ends, axis=0) + 1e-6
    apart = np.linalg.norm((given[:, None] - ends) / span, axis=-1)
    apart[:, ~anchors.valid.ravel()] = _MASKED
    longitudinal, lateral = np.divmod(apart.argmin(1), BINS)
    return np.stack([lateral, longitudinal], -1)
