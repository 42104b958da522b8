"""Work on each token alone, a few tokens at a time where that saves time and memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

ROWS = 256  # tokens whose channels, hidden ones too, stay in the cache of a core


def by_rows(
    run: Callable[..., Tensor], *tensors: Float[Tensor, "b n _c"]
) -> Float[Tensor, "b n _d"]:
    """run(*tensors), where `run` treats each token alone.

    Without gradients on a CPU its temporaries never exist for all tokens: they would be the
    largest tensors of an encoder, and would leave the cache between two steps.
    """
    batch, tokens, _ = tensors[0].shape
    whole = torch.is_grad_enabled() or torch.compiler.is_compiling()
    if whole or tensors[0].device.type != "cpu" or batch * tokens <= ROWS:
        return run(*tensors)
    out: Tensor | None = None
    first = 0
    for parts in zip(*(one.flatten(0, 1).split(ROWS) for one in tensors), strict=True):
        made = run(*(part[None] for part in parts))[0]
        if out is None:
            out = made.new_empty(batch * tokens, made.shape[1])
        out[first : first + len(made)] = made
        first += len(made)
    assert out is not None  # there are more than ROWS tokens
    return out.view(batch, tokens, -1)
