"""Losses of road users and BEV semantics, as NAVSIM's TransFuser has them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Shaped
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

LATENT_BEARING = 4 * math.pi / 9  # what the three cameras see to each side [rad]


def match(cost: Float[Tensor, "b n m"]) -> Shaped[Tensor, "b n"]:
    """The target of each prediction in the cheapest one-to-one assignment of a batch."""
    tables = cost.detach().cpu().float().numpy()
    chosen = [torch.as_tensor(linear_sum_assignment(table)[1]) for table in tables]
    return torch.stack(chosen).to(cost.device)


def matching_cost(
    states: Float[Tensor, "b n 5"],
    logits: Float[Tensor, "b n"],
    target_states: Float[Tensor, "b n 5"],
    target_labels: Bool[Tensor, "b n"],
    *,
    class_weight: float,
    box_weight: float,
) -> Float[Tensor, "b n n"]:
    """Cost of each prediction (row) for each target: cross entropy and distance of centres.

    Sums of |x| + |y| often have several best assignments, and the last bit of the costs decides
    between them; the terms are therefore added up as in the published code.
    """
    valid = target_labels[:, None, :].to(states.dtype)
    logit = logits[:, :, None]
    shift = (-logit).relu()
    entropy = (1 - valid) * logit + (shift + ((-shift).exp() + (-logit - shift).exp()).log())
    apart = states[:, :, None, :2] - target_states[:, None, :, :2]
    return class_weight * entropy + box_weight * apart.abs().sum(-1) * valid


def agent_loss(
    states: Float[Tensor, "b n 5"],
    logits: Float[Tensor, "b n"],
    target_states: Float[Tensor, "b n 5"],
    target_labels: Bool[Tensor, "b n"],
    *,
    class_weight: float = 10.0,
    box_weight: float = 1.0,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Cross entropy and box distance of road users under the best assignment.

    The first is a mean over all predictions, the second a sum over the five numbers of the boxes
    divided by the number of true ones. The weights only choose the assignment.
    """
    cost = matching_cost(
        states,
        logits,
        target_states,
        target_labels,
        class_weight=class_weight,
        box_weight=box_weight,
    )
    chosen = match(cost)
    valid = target_labels.gather(1, chosen).to(states.dtype)
    boxes = target_states.gather(1, chosen[..., None].expand_as(target_states))
    entropy = F.binary_cross_entropy_with_logits(logits, valid)
    distance = ((states - boxes).abs().sum(-1) * valid).sum()
    return entropy, distance / target_labels.sum().clamp_min(1)


def visible(
    target_states: Float[Tensor, "b n 5"], target_labels: Bool[Tensor, "b n"]
) -> Bool[Tensor, "b n"]:
    """Of the true boxes, those whose bearing the cameras see; for networks without lidar."""
    bearing = torch.atan2(target_states[..., 1], target_states[..., 0])
    return target_labels & (bearing.abs() <= LATENT_BEARING)


def semantic_loss(
    logits: Float[Tensor, "b k h w"], labels: Shaped[Tensor, "b h w"]
) -> Float[Tensor, ""]:
    """Mean cross entropy of the BEV raster."""
    return F.cross_entropy(logits, labels.long())
