"""Jobs of `drivelab bench kernels`: seeded inputs, our backends, and what else there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

from drivelab.kernels.sequence.gla import gla
from drivelab.kernels.sequence.gla_bidirectional import gla_bidirectional
from drivelab.kernels.sequence.simple_gla import simple_gla
from drivelab.kernels.sequence.ssd import ssd

Run = Callable[[Sequence[Tensor]], Tensor]


@dataclass(frozen=True, slots=True)
class Job:
    """An op on seeded tensors, and everybody who can run it."""

    op: str
    inputs: tuple[Tensor, ...]
    ours: Callable[[str], Run]  # by backend
    peers: dict[str, Run]


def make_job(op: str, heads: int, width: int, tokens: int, device: str, dtype: torch.dtype) -> Job:
    """Inputs of batch 1 and everybody who can run them.

    Args:
        op: gla, gla_bidirectional, simple_gla or ssd.
        heads: number of heads.
        width: key and value channels of each.
        tokens: length.
        device: "cpu" or "cuda".
        dtype: of queries, keys and values.
    """
    generator = torch.Generator().manual_seed(tokens)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    shape = (1, heads, tokens, width)
    q, k, v = normal(*shape), normal(*shape), normal(*shape)
    if op == "ssd":
        given = _ssd_inputs(normal, heads, width, tokens)
    elif op == "simple_gla":
        given = (q, k, v, _gates(normal(1, heads, tokens)))
    elif op == "gla":
        given = (q, k, v, _gates(normal(*shape)))
    else:
        given = (q, k, v, _gates(normal(*shape)), _gates(normal(*shape)))
    # What decides about decays comes behind the first three tensors and is never half precision.
    decay_dtype = torch.promote_types(dtype, torch.float32)
    placed = tuple(x.to(device, dtype if n < 3 else decay_dtype) for n, x in enumerate(given))
    attention = {"SDPA": _sdpa(causal=op != "gla_bidirectional")} if op != "ssd" else {}
    return Job(op, placed, _ours(op), {**attention, **_installed(op, device)})


def _gates(n: Tensor) -> Tensor:
    return torch.nn.functional.logsigmoid(n) / 16


def _ssd_inputs(
    normal: Callable[..., Tensor], heads: int, width: int, tokens: int
) -> tuple[Tensor, ...]:
    x, dt = normal(1, tokens, heads, width), normal(1, tokens, heads)
    b, c = normal(1, tokens, 1, width), normal(1, tokens, 1, width)
    return x, b, c, dt, -torch.exp(0.5 * normal(heads))


def _ours(op: str) -> Callable[[str], Run]:
    def of(backend: str) -> Run:
        if op == "gla":
            return lambda t: gla(*t, backend=backend)[0]
        if op == "gla_bidirectional":
            return lambda t: gla_bidirectional(*t, backend=backend)
        if op == "simple_gla":
            return lambda t: simple_gla(*t, backend=backend)[0]
        return lambda t: ssd(t[0], t[3], t[4], t[1], t[2], dt_softplus=True, backend=backend)[0]

    return of


def _sdpa(*, causal: bool) -> Run:
    attend = torch.nn.functional.scaled_dot_product_attention
    return lambda t: attend(t[0], t[1], t[2], is_causal=causal)


def _installed(op: str, device: str) -> dict[str, Run]:
    """Public kernels that are installed; all of them need a GPU."""
    found: dict[str, Run] = {}
    if device != "cuda":
        return found
    if find_spec("fla") is not None and op != "ssd":
        found["fla"] = _fla(op)
    if find_spec("mamba_ssm") is not None and op == "ssd":
        found["mamba-ssm"] = _mamba()
    return found


def _fla(op: str) -> Run:
    """Its chunk kernels take (B, T, H, D); the two directions are two calls and two flips."""
    from fla.ops.gla import chunk_gla
    from fla.ops.simple_gla import chunk_simple_gla

    def turn(t: Sequence[Tensor]) -> list[Tensor]:
        return [x.transpose(1, 2) for x in t]

    def both(t: Sequence[Tensor]) -> Tensor:
        q, k, v, gf, gb = turn(t)
        back = chunk_gla(*(x.flip(1) for x in (q, k, v, gb)))[0].flip(1)
        return (chunk_gla(q, k, v, gf)[0] + back) / 2

    if op == "gla_bidirectional":
        return both
    chunk = chunk_gla if op == "gla" else chunk_simple_gla
    return lambda t: chunk(*turn(t))[0]


def _mamba() -> Run:
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

    return lambda t: mamba_chunk_scan_combined(
        t[0], t[3], t[4], t[1], t[2], chunk_size=128, dt_softplus=True
    )
