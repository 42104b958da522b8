"""Jobs of `drivelab bench kernels`: seeded inputs, our backends, and what else there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

from drivelab.kernels.sequence.causal_conv1d import causal_conv1d
from drivelab.kernels.sequence.gla import gla
from drivelab.kernels.sequence.gla_bidirectional import gla_bidirectional
from drivelab.kernels.sequence.rmsnorm_gated import rmsnorm, rmsnorm_gated
from drivelab.kernels.sequence.selective_scan import selective_scan
from drivelab.kernels.sequence.simple_gla import simple_gla
from drivelab.kernels.sequence.ssd import ssd

Run = Callable[[Sequence[Tensor]], Tensor]
Normal = Callable[..., Tensor]  # seeded numbers of a shape

STATES, TAPS = 16, 4  # of `selective_scan` and `causal_conv1d`, as in Mamba
EPS = 1e-5


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
        op: one of `OURS`.
        heads: number of heads.
        width: key and value channels of each; ops without heads get heads x width channels.
        tokens: length.
        device: "cpu" or "cuda".
        dtype: of the tensors that decide about no decay.
    """
    generator = torch.Generator().manual_seed(tokens)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    given = _inputs(op, normal, heads, width, tokens)
    # What decides about decays comes behind the first three tensors and is never half precision.
    decay_dtype = torch.promote_types(dtype, torch.float32)
    placed = tuple(x.to(device, dtype if n < 3 else decay_dtype) for n, x in enumerate(given))
    return Job(op, placed, _ours(op), {**_torchs(op), **_installed(op, device)})


def _inputs(op: str, normal: Normal, heads: int, width: int, tokens: int) -> tuple[Tensor, ...]:
    shape, channels = (1, heads, tokens, width), heads * width
    if op == "ssd":
        return _ssd_inputs(normal, heads, width, tokens)
    if op == "selective_scan":
        u, delta = normal(1, channels, tokens), normal(1, channels, tokens)
        b, c = normal(1, STATES, tokens), normal(1, STATES, tokens)
        return u, b, c, delta, -torch.exp(0.5 * normal(channels, STATES))
    if op == "causal_conv1d":
        return normal(1, channels, tokens), normal(channels, TAPS), normal(channels)
    if op in ("rmsnorm", "rmsnorm_gated"):
        normed = normal(1, tokens, channels), 1 + 0.1 * normal(channels)
        return normed if op == "rmsnorm" else (*normed, normal(1, tokens, channels))
    q, k, v = normal(*shape), normal(*shape), normal(*shape)
    if op == "simple_gla":
        return q, k, v, _gates(normal(1, heads, tokens))
    gates = (_gates(normal(*shape)) for _ in range(1 if op == "gla" else 2))
    return (q, k, v, *gates)


def _gates(n: Tensor) -> Tensor:
    return torch.nn.functional.logsigmoid(n) / 16


def _ssd_inputs(normal: Normal, heads: int, width: int, tokens: int) -> tuple[Tensor, ...]:
    x, dt = normal(1, tokens, heads, width), normal(1, tokens, heads)
    b, c = normal(1, tokens, 1, width), normal(1, tokens, 1, width)
    return x, b, c, dt, -torch.exp(0.5 * normal(heads))


OURS: Mapping[str, Callable[[Sequence[Tensor], str], Tensor]] = {
    "gla": lambda t, b: gla(*t, backend=b)[0],
    "gla_bidirectional": lambda t, b: gla_bidirectional(*t, backend=b),
    "simple_gla": lambda t, b: simple_gla(*t, backend=b)[0],
    "ssd": lambda t, b: ssd(t[0], t[3], t[4], t[1], t[2], dt_softplus=True, backend=b)[0],
    "selective_scan": lambda t, b: selective_scan(
        t[0], t[3], t[4], t[1], t[2], delta_softplus=True, backend=b
    )[0],
    "causal_conv1d": lambda t, b: causal_conv1d(*t, act="silu", backend=b)[0],
    "rmsnorm": lambda t, b: rmsnorm(*t, eps=EPS, backend=b),
    "rmsnorm_gated": lambda t, b: rmsnorm_gated(*t, eps=EPS, backend=b),
}


def _ours(op: str) -> Callable[[str], Run]:
    return lambda backend: lambda t: OURS[op](t, backend)


def _torchs(op: str) -> dict[str, Run]:
    """What a user of torch alone would call: attention of the same sizes, or the same function."""
    if op == "ssd":
        return {"SDPA": _sdpa_of_ssd}
    if op == "causal_conv1d":
        return {"torch's own": _torchs_conv}
    if op in ("rmsnorm", "rmsnorm_gated"):
        return {"torch's own": _torchs_norm}
    return {} if op == "selective_scan" else {"SDPA": _sdpa(causal=op != "gla_bidirectional")}


def _torchs_conv(t: Sequence[Tensor]) -> Tensor:
    x, w, b = t
    taps = w.shape[1]
    made = torch.nn.functional.conv1d(x, w[:, None], b, padding=taps - 1, groups=len(w))
    return torch.nn.functional.silu(made[..., : x.shape[2]])


def _torchs_norm(t: Sequence[Tensor]) -> Tensor:
    x = t[0] if len(t) == 2 else t[0] * torch.nn.functional.silu(t[2])
    return torch.nn.functional.rms_norm(x, t[1].shape, t[1], EPS)


def _sdpa_of_ssd(t: Sequence[Tensor]) -> Tensor:
    """C asks, B answers and x is read; the heads share B and C, as they do in `ssd`."""
    v, k, q = (one.transpose(1, 2) for one in t[:3])
    heads = v.shape[1]
    shared = (one.expand(-1, heads, -1, -1) for one in (q, k))
    attend = torch.nn.functional.scaled_dot_product_attention
    return attend(*shared, v, is_causal=True).transpose(1, 2)


def _sdpa(*, causal: bool) -> Run:
    attend = torch.nn.functional.scaled_dot_product_attention
    return lambda t: attend(t[0], t[1], t[2], is_causal=causal)


def _installed(op: str, device: str) -> dict[str, Run]:
    """Public kernels that are installed; all of them need a GPU."""
    found: dict[str, Run] = {}
    if device != "cuda":
        return found
    if find_spec("fla") is not None and op in ("gla", "gla_bidirectional", "simple_gla"):
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
