"""Compiled functions as operators of torch: traced, compiled and differentiated like its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def operator(
    name: str,
    tensors: str,
    constants: str,
    outputs: int,
    *,
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    fake: Callable[..., Any],
    fake_gradients: Callable[..., Any] | None = None,
) -> Any:
    """Register `drivelab::NAME` and its backward.

    `backward(*tensors, *constants, *cotangents)` gives one gradient for each tensor, of its shape
    and type. Differentiating it again raises a RuntimeError. Tangents are dropped in silence:
    `backends.choose` refuses them.

    Args:
        name: of the operator, without the namespace.
        tensors: names of the tensor arguments, which come first.
        constants: the other arguments as a schema says them, e.g. "float scale, bool reverse".
        outputs: how many tensors `forward` gives.
        forward: runs on real tensors.
        backward: runs on real tensors.
        fake: outputs of the right shape and type from tensors without contents.
        fake_gradients: the same of `backward`, from the tensor arguments; contiguous unless told.
    """
    names = tensors.split()
    given = ", ".join(f"Tensor {one}" for one in names) + (f", {constants}" if constants else "")
    seen = ", ".join(f"Tensor grad_{n}" for n in range(outputs))
    run = torch.library.custom_op(
        f"drivelab::{name}",
        forward,
        mutates_args=(),
        schema=f"({given}) -> {_tuple(outputs)}",
    )
    back = torch.library.custom_op(
        f"drivelab::{name}_backward",
        backward,
        mutates_args=(),
        schema=f"({given}, {seen}) -> {_tuple(len(names))}",
    )
    run.register_fake(fake)
    gradients = fake_gradients or (lambda *given: tuple(x.new_empty(x.shape) for x in given))
    back.register_fake(lambda *args: gradients(*args[: len(names)]))

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[: len(names)])
        ctx.constants = inputs[len(names) :]

    def differentiate(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        found = back(*ctx.saved_tensors, *ctx.constants, *cotangents)
        grads = found if isinstance(found, (tuple, list)) else (found,)
        return (*grads, *(None for _ in ctx.constants))

    def refuse(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        raise RuntimeError(
            f"drivelab::{name}: its gradients cannot be differentiated again; use backend='torch' "
            "for second derivatives"
        )

    run.register_autograd(differentiate, setup_context=keep)
    back.register_autograd(refuse)
    return run


def alike(*given: Tensor) -> tuple[Tensor, ...]:
    """Gradients in the layouts of the tensors, as `torch.empty_like` makes them."""
    return tuple(torch.empty_like(one) for one in given)


def _tuple(count: int) -> str:
    return "Tensor" if count == 1 else "(" + ", ".join(["Tensor"] * count) + ")"
