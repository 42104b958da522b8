"""Both directions on a GPU: one program keeps two states and walks over the tokens from both ends.

The direction that comes second to a token adds to what the first one wrote there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from drivelab.kernels.sequence.custom import alike, operator
from drivelab.kernels.sequence.gpu import gated
from drivelab.kernels.sequence.gpu.device import check, on_device, settled, side_by_side
from drivelab.kernels.sequence.streams import room_like

OP = "gla_bidirectional"


def forward(q: Tensor, k: Tensor, v: Tensor, gf: Tensor, gb: Tensor, scale: float) -> Tensor:
    """Outputs like v: scale times the sum of both directions."""
    check(OP, {"q": q.shape[3], "v": v.shape[3]}, q, k, v, gf, gb)
    inputs = gated.Inputs.of(q, k, v, scale)
    out = room_like(inputs.v)
    if out.numel() and q.numel():
        with on_device(v):
            gated.outputs(inputs, inputs.walk(_alike(gf, gb), False), None, out)
    return settled(out, v)


def backward(
    q: Tensor, k: Tensor, v: Tensor, gf: Tensor, gb: Tensor, scale: float, grad_out: Tensor
) -> tuple[Tensor, ...]:
    """Gradients of q, k, v and the gates of both directions."""
    given = (q, k, v, gf, gb)
    if not v.numel() or not q.numel():
        return tuple(torch.zeros_like(one) for one in given)
    inputs = gated.Inputs.of(q, k, v, scale)
    walk, seen = inputs.walk(_alike(gf, gb), False), side_by_side(grad_out)
    with on_device(v):
        dq, dk, dv, dg, _ = gated.channel_gradients(inputs, walk, seen, None, None)
    found = (dq, dk, dv, *(one.view(gf.shape) for one in dg))
    return tuple(settled(one, like) for one, like in zip(found, given, strict=True))


def _alike(gf: Tensor, gb: Tensor) -> tuple[Tensor, Tensor]:
    """Gates that one set of steps finds its way in."""
    gf, gb = side_by_side(gf), side_by_side(gb)
    same = gf.stride() == gb.stride() and gf.dtype == gb.dtype
    return (gf, gb) if same else (gf.float().contiguous(), gb.float().contiguous())


def _fake(q: Tensor, k: Tensor, v: Tensor, gf: Tensor, gb: Tensor, scale: float) -> Tensor:
    return torch.empty_like(v)


gla_bidirectional_triton = operator(
    f"{OP}_triton",
    "q k v gf gb",
    "float scale",
    1,
    forward=forward,
    backward=backward,
    fake=_fake,
    fake_gradients=alike,
)
