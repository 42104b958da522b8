"""Gated linear attention in both directions at once (ViG, arXiv 2405.18425), with a backward pass.

o_t = m * scale * (S^f_t + S^b_t)^T q_t, S^f a scan with time under the gates gf, S^b one against it
under gb; both hold token t itself. m is 1/2 (mean) or 1 (sum).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from drivelab.kernels.sequence.backends import choose
from drivelab.kernels.sequence.checks import check_gates, check_mask, check_shapes
from drivelab.kernels.sequence.gla_bidirectional import chunk, ref
from drivelab.kernels.sequence.gla_bidirectional.compiled import gla_bidirectional_numba

SHAPES = {"q": "B H L K", "k": "B H L K", "v": "B H L V", "gf": "B H L K", "gb": "B H L K"}
MERGES = {"mean": 0.5, "sum": 1.0}


def gla_bidirectional(
    q: Float[Tensor, "B H L K"],
    k: Float[Tensor, "B H L K"],
    v: Float[Tensor, "B H L V"],
    gf: Float[Tensor, "B H L K"],
    gb: Float[Tensor, "B H L K"],
    *,
    scale: float | None = None,
    merge: Literal["mean", "sum"] = "mean",
    mask: Bool[Tensor, "B L"] | None = None,
    backend: str = "auto",
) -> Float[Tensor, "B H L V"]:
    """Outputs of both scans together.

    Args:
        q: queries.
        k: keys.
        v: values.
        gf: log gates of the scan with time, at most 0.
        gb: log gates of the scan against time, at most 0.
        scale: of the outputs; K^-1/2 unless told.
        merge: "mean" or "sum" of the directions.
        mask: true at real tokens; the others change nothing and read 0.
        backend: "auto", "ref", "torch", "numba" or "triton".

    Raises:
        ValueError: shapes, devices, a positive or NaN gate, merge, or a backend that cannot run.
        TypeError: not a floating tensor.
        ImportError: the backend's package is not installed.
    """
    op = "gla_bidirectional"
    check_shapes(op, {"q": q, "k": k, "v": v, "gf": gf, "gb": gb}, SHAPES)
    check_mask(op, mask, q.shape[0], q.shape[2], q.device)
    if merge not in MERGES:
        raise ValueError(f"{op}: merge={merge!r}; expected mean or sum")
    if mask is not None:
        q, k, v, gf, gb = (x.masked_fill(~mask[:, None, :, None], 0) for x in (q, k, v, gf, gb))
    check_gates(op, gf=gf, gb=gb)
    factor = q.shape[-1] ** -0.5 if scale is None else scale
    run = _backend(choose(op, backend, q.device, q.dtype, (q, k, v, gf, gb)))
    return run(q, k, v, gf, gb, float(factor) * MERGES[merge])


def _backend(name: str) -> Callable[..., Tensor]:
    if name == "triton":
        from drivelab.kernels.sequence.gla_bidirectional.gpu import gla_bidirectional_triton

        return gla_bidirectional_triton
    return {"ref": ref.forward, "torch": chunk.forward, "numba": gla_bidirectional_numba}[name]
