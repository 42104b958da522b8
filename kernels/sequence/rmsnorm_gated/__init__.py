"""Root-mean-square norm (arXiv 1910.07467), alone or with a gate as in Mamba-2 (arXiv 2405.21060).

norm(y) = y / sqrt(mean y^2 + eps) w over the last axis or over groups of its channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from drivelab.kernels.sequence.backends import choose, wanted
from drivelab.kernels.sequence.checks import check_shapes
from drivelab.kernels.sequence.rmsnorm_gated import ref
from drivelab.kernels.sequence.rmsnorm_gated.compiled import rmsnorm_gated_numba


def rmsnorm(
    x: Float[Tensor, "*B D"],
    w: Float[Tensor, " D"],
    *,
    eps: float = 1e-6,
    group: int | None = None,
    backend: str = "auto",
) -> Float[Tensor, "*B D"]:
    """norm(x), like x.

    Args:
        x: what is normed, over the last axis.
        w: weight of each channel.
        eps: added to the mean square.
        group: channels that are normed together; all unless told.
        backend: "auto", "ref", "torch", "numba" or "triton"; "ref" is plain torch, as "torch" is.

    Raises:
        ValueError: shapes, devices, a group that does not divide D, or a backend that cannot run.
        TypeError: not a floating tensor.
        ImportError: the backend's package is not installed.
    """
    _check("rmsnorm", {"x": x, "w": w})
    group = _group("rmsnorm", x.shape[-1], group)
    backend = _suited(backend, group, x, w)
    run = _backend(choose("rmsnorm", backend, x.device, x.dtype, (x, w)))
    return run(x, w, x.new_empty(0, x.shape[-1]), float(eps), group, True)


def rmsnorm_gated(
    x: Float[Tensor, "*B D"],
    w: Float[Tensor, " D"],
    z: Float[Tensor, "*B D"],
    *,
    eps: float = 1e-5,
    group: int | None = None,
    norm_before_gate: bool = False,
    backend: str = "auto",
) -> Float[Tensor, "*B D"]:
    """norm(x silu(z)), or norm(x) silu(z) with `norm_before_gate`; like x.

    z is the gate before its silu; the other arguments and the errors are those of `rmsnorm`.
    """
    _check("rmsnorm_gated", {"x": x, "w": w, "z": z})
    group = _group("rmsnorm_gated", x.shape[-1], group)
    backend = _suited(backend, group, x, w, z)
    run = _backend(choose("rmsnorm_gated", backend, x.device, x.dtype, (x, w, z)))
    return run(x, w, z, float(eps), group, norm_before_gate)


def _check(op: str, tensors: dict[str, Tensor]) -> None:
    """Hold the tensors against "... D", whatever the axes before are."""
    axes = getattr(tensors["x"], "ndim", 1)
    like = " ".join([*(f"B{n}" for n in range(axes - 1)), "D"])
    check_shapes(op, tensors, {"x": like, "w": "D", "z": like})


def _group(op: str, channels: int, group: int | None) -> int:
    group = channels if group is None else group
    if group < 1 or channels % group:
        raise ValueError(
            f"{op}: group={group}, x has {channels} channels; expected a number that divides them"
        )
    return group


def _suited(backend: str, group: int, *tensors: Tensor) -> str:
    """What was asked for; where nothing was, plain torch where compiled rows are slower."""
    if wanted(backend) != "auto" or tensors[0].device.type != "cpu":
        return backend
    back = torch.is_grad_enabled() and any(one.requires_grad for one in tensors)
    gated, size = len(tensors) > 2, tensors[0].numel()
    # Numba / torch [us], forward and with gradients. Gated: 4096 x 16 212 / 127 and 787 / 491,
    # x 64 349 / 295 and 1109 / 1429. Alone: 1024 x 64 93 / 67 and 366 / 301, 4096 x 256 576 / 432
    # and 2578 / 4982, 4096 x 512 1482 / 2369 and 6309 / 11380.
    few = group <= (16 if back else 64) if gated else size < (1 << 18 if back else 1 << 21)
    return "torch" if few else backend


def _backend(name: str) -> Callable[..., Tensor]:
    if name == "triton":
        from drivelab.kernels.sequence.rmsnorm_gated.gpu import rmsnorm_gated_triton

        return rmsnorm_gated_triton
    return {"ref": ref.forward, "torch": ref.forward, "numba": rmsnorm_gated_numba}[name]
