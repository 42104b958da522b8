"""Tensors of a call under gates as the compiled code takes them."""

from __future__ import annotations

import torch
from torch import Tensor

from drivelab.kernels.sequence.streams import places, stream

GATE = 3  # place of the decays, or of their gradient, among the streams


class GatedCall:
    """Flat arrays, where each of `heads` heads begins in them, and the steps between tokens."""

    def __init__(self, tensors: tuple[Tensor, ...], heads: int) -> None:
        parts = [stream(tensor) for tensor in tensors]
        self.flats = tuple(part.flat for part in parts)
        self.step = tuple(part.steps[2] for part in parts)
        self.places = places(parts, tensors[0].shape[0], heads)


def with_decays(tensors: tuple[Tensor, Tensor, Tensor], g: Tensor, last: Tensor) -> GatedCall:
    """The call (q, k, v, decay, last) of a scan, of which `g` are the log gates."""
    call = GatedCall((*tensors, decays(g, last.dtype), last), g.shape[1])
    call.places[:, GATE] += call.step[GATE]
    return call


def decays(g: Tensor, dtype: torch.dtype) -> Tensor:
    """exp(g) with a row of ones before the first token and one behind the last."""
    b, h, tokens, channels = g.shape
    out = torch.empty(b, h, tokens + 2, channels, dtype=dtype)
    out[:, :, 0] = out[:, :, -1] = 1.0
    torch.exp(g.to(dtype), out=out[:, :, 1:-1])
    return out
