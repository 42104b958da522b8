"""Linear attention with one gate a head: S_t = exp(g_t) S_{t-1} + k_t v_t^T, o_t = scale S_t^T q_t.

Mamba-2's state-space duality (arXiv 2405.21060) is this with q = C, k = B, v = dt x, g = dt A.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Bool, Float
from torch import Tensor

from drivelab.kernels.sequence.backends import choose
from drivelab.kernels.sequence.checks import check_gates, check_mask, check_shapes, of_one_token
from drivelab.kernels.sequence.gla import first_state
from drivelab.kernels.sequence.simple_gla import chunk, ref
from drivelab.kernels.sequence.simple_gla.compiled import simple_gla_numba

SHAPES = {"q": "B H L K", "k": "B H L K", "v": "B H L V", "g": "B H L", "state": "B H K V"}


def simple_gla(
    q: Float[Tensor, "B H L K"],
    k: Float[Tensor, "B H L K"],
    v: Float[Tensor, "B H L V"],
    g: Float[Tensor, "B H L"],
    *,
    scale: float | None = None,
    state: Float[Tensor, "B H K V"] | None = None,
    reverse: bool = False,
    mask: Bool[Tensor, "B L"] | None = None,
    backend: str = "auto",
) -> tuple[Float[Tensor, "B H L V"], Float[Tensor, "B H K V"]]:
    """Outputs, and the state behind the last token.

    Arguments and errors are those of `gla`, with one log gate a head.
    """
    check_shapes("simple_gla", {"q": q, "k": k, "v": v, "g": g, "state": state}, SHAPES)
    check_mask("simple_gla", mask, q.shape[0], q.shape[2], q.device)
    if mask is not None:
        q, k, v = (x.masked_fill(~mask[:, None, :, None], 0) for x in (q, k, v))
        g = g.masked_fill(~mask[:, None], 0)
    check_gates("simple_gla", g=g)
    if state is None:
        state = first_state(q, k.shape[-1], v.shape[-1])
    factor = k.shape[-1] ** -0.5 if scale is None else scale
    run = scalar_gate_scan(choose("simple_gla", backend, q.device, q.dtype, (q, k, v, g, state)))
    return run(q, k, v, g.unsqueeze(-1), state, float(factor), reverse)


def simple_gla_step(
    q: Float[Tensor, "B H K"],
    k: Float[Tensor, "B H K"],
    v: Float[Tensor, "B H V"],
    g: Float[Tensor, "B H"],
    state: Float[Tensor, "B H K V"],
    *,
    scale: float | None = None,
    backend: str = "auto",
) -> tuple[Float[Tensor, "B H V"], Float[Tensor, "B H K V"]]:
    """One more token, in constant time and memory: what `simple_gla` gives for it."""
    given = {"q": q, "k": k, "v": v, "g": g}
    check_shapes("simple_gla_step", given, of_one_token(SHAPES))
    one = (x.unsqueeze(2) for x in (q, k, v, g))
    out, final = simple_gla(*one, scale=scale, state=state, backend=backend)
    return out.squeeze(2), final


def scalar_gate_scan(name: str) -> Callable[..., tuple[Tensor, Tensor]]:
    """The scan of a backend: (q, k, v, g, state, scale, reverse) -> (outputs, final state).

    q, k (B, G, L, K) with G a divisor of H, v (B, H, L, V), g (B, H, L, 1), state (B, H, K, V).
    """
    if name == "triton":
        from drivelab.kernels.sequence.simple_gla.gpu import simple_gla_triton

        return simple_gla_triton
    return {"ref": ref.forward, "torch": chunk.forward, "numba": simple_gla_numba}[name]
