"""Gated linear attention (GLA, arXiv 2312.06635): a matrix state that fades channel by channel.

S_t = diag(exp g_t) S_{t-1} + k_t v_t^T,  o_t = scale * S_t^T q_t.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drivelab.kernels.sequence.backends import choose
from drivelab.kernels.sequence.checks import check_gates, check_mask, check_shapes, of_one_token
from drivelab.kernels.sequence.gla import chunk, ref
from drivelab.kernels.sequence.gla.compiled import gla_numba

SHAPES = {"q": "B H L K", "k": "B H L K", "v": "B H L V", "g": "B H L K", "state": "B H K V"}
NORMALIZED = {**SHAPES, "state": "B H K V+1"}


def gla(
    q: Float[Tensor, "B H L K"],
    k: Float[Tensor, "B H L K"],
    v: Float[Tensor, "B H L V"],
    g: Float[Tensor, "B H L K"],
    *,
    scale: float | None = None,
    state: Float[Tensor, "B H K V"] | None = None,
    reverse: bool = False,
    mask: Bool[Tensor, "B L"] | None = None,
    normalize: bool = False,
    eps: float = 1e-6,
    backend: str = "auto",
) -> tuple[Float[Tensor, "B H L V"], Float[Tensor, "B H K V"]]:
    """Outputs, and the state behind the last token.

    Args:
        q: queries.
        k: keys.
        v: values.
        g: log gates, at most 0.
        scale: of the outputs; K^-1/2 unless told.
        state: before the first token; zeros unless told.
        reverse: walk from the last token to the first.
        mask: true at real tokens; the others change nothing and read 0.
        normalize: divide o_t by max(|scale * q_t . z_t|, eps), z_t = exp(g_t) z_{t-1} + k_t; then
            `state` and the final state have one more column, z.
        eps: see `normalize`.
        backend: "auto", "ref", "torch", "numba" or "triton".

    Raises:
        ValueError: shapes, devices, a positive or NaN gate, or a backend that cannot run here.
        TypeError: not a floating tensor.
        ImportError: the backend's package is not installed.
    """
    check_shapes("gla", {"q": q, "k": k, "v": v, "g": g}, SHAPES)
    given = {"q": q, "k": k, "state": state}
    if normalize:
        check_shapes("gla", given, NORMALIZED, **{"V+1": v.shape[3] + 1})
        v = torch.cat([v, torch.ones_like(v[..., :1])], -1)
    else:
        check_shapes("gla", given, SHAPES, V=v.shape[3])
    check_mask("gla", mask, q.shape[0], q.shape[2], q.device)
    if mask is not None:
        q, k, v, g = (x.masked_fill(~mask[:, None, :, None], 0) for x in (q, k, v, g))
    check_gates("gla", g=g)
    if state is None:
        state = first_state(q, k.shape[-1], v.shape[-1])
    factor = k.shape[-1] ** -0.5 if scale is None else scale
    run = _backend(choose("gla", backend, q.device, q.dtype, (q, k, v, g, state)))
    out, final = run(q, k, v, g, state, float(factor), reverse)
    if normalize:
        out = out[..., :-1] / out[..., -1:].abs().clamp_min(eps)
    return out, final


def gla_step(
    q: Float[Tensor, "B H K"],
    k: Float[Tensor, "B H K"],
    v: Float[Tensor, "B H V"],
    g: Float[Tensor, "B H K"],
    state: Float[Tensor, "B H K V"],
    *,
    scale: float | None = None,
    normalize: bool = False,
    eps: float = 1e-6,
    backend: str = "auto",
) -> tuple[Float[Tensor, "B H V"], Float[Tensor, "B H K V"]]:
    """One more token, in constant time and memory: what `gla` gives for it behind the others.

    Arguments and errors are those of `gla`; with `normalize` the states have V + 1 columns.
    """
    given = {"q": q, "k": k, "v": v, "g": g}
    check_shapes("gla_step", given, of_one_token(SHAPES))
    one = (x.unsqueeze(2) for x in (q, k, v, g))
    out, final = gla(*one, scale=scale, state=state, normalize=normalize, eps=eps, backend=backend)
    return out.squeeze(2), final


def first_state(like: Tensor, rows: int, columns: int) -> Float[Tensor, "B H rows columns"]:
    """Zeros, in float32 at least."""
    kind = torch.promote_types(like.dtype, torch.float32)
    return like.new_zeros((*like.shape[:2], rows, columns), dtype=kind)


def _backend(name: str):  # type: ignore[no-untyped-def]
    if name == "triton":
        from drivelab.kernels.sequence.gla.gpu import gla_triton

        return gla_triton
    return {"ref": ref.forward, "torch": chunk.forward, "numba": gla_numba}[name]
