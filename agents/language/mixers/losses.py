"""What a student with mixers is held to while it learns from a teacher with attention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

HEADS_WEIGHT = 1000.0  # of mmMamba's first two stages


def heads_mse(
    student: Sequence[Float[Tensor, "b l d"]], teacher: Sequence[Float[Tensor, "b l d"]]
) -> Float[Tensor, ""]:
    """mmMamba, stages 1 and 2: 1000 times the mean over layers of the heads' mean square error."""
    errors = [functional.mse_loss(s, t) for s, t in zip(student, teacher, strict=True)]
    return HEADS_WEIGHT * torch.stack(errors).mean()


def layers_l2(
    student: Sequence[Float[Tensor, "b l d"]], teacher: Sequence[Float[Tensor, "b l d"]]
) -> Float[Tensor, ""]:
    """MaTVLM: sum over the replaced layers of the norm of the whole difference of the outputs."""
    errors = [torch.linalg.vector_norm(s - t) for s, t in zip(student, teacher, strict=True)]
    return torch.stack(errors).sum()


def logits_kl(
    student: Float[Tensor, "b l v"], teacher: Float[Tensor, "b l v"], temperature: float = 1.0
) -> Float[Tensor, ""]:
    """KL(teacher || student) summed over tokens, mean over the batch, times temperature^2.

    mmMamba's stage 3 and MaTVLM both use temperature 1 (arXiv 1503.02531 gives the square).
    """
    given, wanted = ((x / temperature).log_softmax(-1) for x in (student, teacher))
    divergence = functional.kl_div(given, wanted, reduction="batchmean", log_target=True)
    return divergence * temperature**2
