"""From logits to actions: bins of the two axes, with the mask of what a car can drive.

An action is a lateral and a longitudinal bin. At low speed most lateral bins are no motion of a car
(arXiv 2502.13144v2, appendix A.2), so the mask depends on the longitudinal bin: that one is chosen
first, then the lateral one among those of its row. The released code applies no mask; `valid=None`
acts as it does. Indices of tables are [longitudinal, lateral].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from drivelab.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The actions of a batch, and the logarithms of the probabilities that each axis gave them."""

    lateral: Int[Tensor, " b"]
    longitudinal: Int[Tensor, " b"]
    lateral_log_prob: Float[Tensor, " b"]
    longitudinal_log_prob: Float[Tensor, " b"]

    @property
    def bins(self) -> Int[Tensor, "b 2"]:
        """(lateral, longitudinal), as the action space `rad` of the environments takes them."""
        return torch.stack([self.lateral, self.longitudinal], -1)


def choose(
    outputs: Mapping[str, Tensor],
    valid: Bool[Tensor, "m n"] | None,
    *,
    generator: torch.Generator | None = None,
) -> Choice:
    """The most likely bin of each axis, or with a generator one drawn by their probabilities.

    Args:
        outputs: logits `lateral` (b, n) and `longitudinal` (b, m) of a network.
        valid: which actions may be taken; None: all of them, as in the released code.
        generator: draws; on the device of the logits.

    Raises:
        DataError: logits or mask that cannot be used, see `log_probs`.
    """
    _check(outputs, valid)
    ahead = outputs["longitudinal"].float().log_softmax(-1)
    longitudinal = _pick(ahead, generator)
    aside = lateral_log_probs(outputs["lateral"], longitudinal, valid)
    lateral = _pick(aside, generator)
    return Choice(lateral, longitudinal, _at(aside, lateral), _at(ahead, longitudinal))


def log_probs(
    outputs: Mapping[str, Tensor],
    longitudinal: Int[Tensor, " b"],
    valid: Bool[Tensor, "m n"] | None,
) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b m"]]:
    """Logarithms of the probabilities of all lateral and all longitudinal bins.

    Args:
        outputs: logits by name, as for `choose`.
        longitudinal: the bins that were taken, whose rows the lateral bins are limited to.
        valid: as for `choose`; masked bins are at -inf.

    Raises:
        DataError: logits that are missing or not finite (the network has diverged), or a mask of
            another size, or one that leaves a longitudinal bin no lateral one.
    """
    _check(outputs, valid)
    aside = lateral_log_probs(outputs["lateral"], longitudinal, valid)
    return aside, outputs["longitudinal"].float().log_softmax(-1)


def lateral_log_probs(
    logits: Float[Tensor, "b n"],
    longitudinal: Int[Tensor, " b"],
    valid: Bool[Tensor, "m n"] | None,
) -> Float[Tensor, "b n"]:
    """Of all lateral bins given the longitudinal one; those that are masked are at -inf."""
    logits = logits.float()
    if valid is not None:
        logits = logits.masked_fill(~valid[longitudinal], -torch.inf)
    return logits.log_softmax(-1)


def _pick(log_probs: Float[Tensor, "b n"], generator: torch.Generator | None) -> Int[Tensor, " b"]:
    if generator is None:
        return log_probs.argmax(-1)
    return torch.multinomial(log_probs.detach().exp(), 1, generator=generator)[:, 0]


def _at(log_probs: Float[Tensor, "b n"], bins: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    return log_probs.gather(-1, bins[:, None])[:, 0]


def _check(outputs: Mapping[str, Tensor], valid: Tensor | None) -> None:
    for name in ("lateral", "longitudinal"):
        if name not in outputs or outputs[name].ndim != 2:
            found = tuple(outputs[name].shape) if name in outputs else "nothing"
            raise DataError(
                f"found {found}, expected logits (batch, bins); give the outputs of a RadNetwork",
                where=f"outputs[{name!r}]",
            )
        if not bool(torch.isfinite(outputs[name]).all()):
            raise DataError(
                "logits that are not finite: the network has diverged; go back to a checkpoint "
                "from before",
                where=f"outputs[{name!r}]",
            )
    if valid is None:
        return
    wanted = (outputs["longitudinal"].shape[1], outputs["lateral"].shape[1])
    if tuple(valid.shape) != wanted:
        raise DataError(
            f"shape {tuple(valid.shape)}, expected {wanted}: [longitudinal, lateral]; take the "
            "mask of the anchors that the network was made for",
            where="valid",
        )
    if not bool(valid.any(1).all()):
        row = int((~valid.any(1)).nonzero()[0])
        raise DataError("no lateral bin may be taken in this row", where=f"valid[{row}]")
