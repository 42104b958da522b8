"""Checks of the Triton kernels: in its interpreter on the CPU, or on a real device.

`TRITON_INTERPRET=1 python triton_checks.py` runs all of them and prints one JSON line each. The
interpreter is chosen where Triton is first imported, so it needs a process of its own.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import golden_kernels as golden
import pytest
import torch
from torch import Tensor

from drivelab.kernels.sequence.causal_conv1d import causal_conv1d
from drivelab.kernels.sequence.gla import gla, gla_step
from drivelab.kernels.sequence.gla_bidirectional import gla_bidirectional
from drivelab.kernels.sequence.rmsnorm_gated import rmsnorm, rmsnorm_gated
from drivelab.kernels.sequence.selective_scan import selective_scan, selective_scan_step
from drivelab.kernels.sequence.simple_gla import simple_gla, simple_gla_step
from drivelab.kernels.sequence.ssd import ssd

Device = str
Args = dict[str, Any]
LONGEST = 64  # tokens of a golden case that the interpreter runs
OPS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "gla": (gla, ("o", "final_state")),
    "gla_bidir": (gla_bidirectional, ("o",)),
    "simple_gla": (simple_gla, ("o", "final_state")),
    "ssd": (ssd, ("y", "final_state")),
    "selective_scan": (selective_scan, ("y", "final_state")),
    "causal_conv1d": (causal_conv1d, ("y", "final_state")),
    "rmsnorm": (rmsnorm, ("o",)),
    "rmsnorm_gated": (rmsnorm_gated, ("o",)),
}
TOKEN_AXIS = {"ssd": 1, "rmsnorm": 1, "rmsnorm_gated": 1}


def tokens(case: dict[str, Any]) -> int:
    return int(case["inputs"][0]["shape"][TOKEN_AXIS.get(case["op"], 2)])


def golden_case(op: str, case: dict[str, Any], device: Device) -> None:
    run, names = OPS[op]
    leaves = golden.inputs(case, torch.float32)
    given = {name: leaf.to(device) for name, leaf in leaves.items()}
    found = run(**given, **case["args"], backend="triton")
    found = found if isinstance(found, tuple) else (found,)
    got = {name: one.cpu() for name, one in zip(names, found, strict=True)}
    golden.check(case, got, leaves, torch.float32)


def made(
    name: str, b: int, h: int, n: int, keys: int, values: int, gate: float = 1 / 16
) -> dict[str, Tensor]:
    """Seeded q, k, v, log gates and state."""
    g = gate * torch.nn.functional.logsigmoid(golden.rule(f"{name}/g", (b, h, n, keys)))
    given = {x: golden.rule(f"{name}/{x}", (b, h, n, keys)) for x in "qk"}
    given["v"] = golden.rule(f"{name}/v", (b, h, n, values))
    return {**given, "g": g, "state": golden.rule(f"{name}/state", (b, h, keys, values))}


def agrees(
    run: Callable[..., Any],
    given: dict[str, Tensor],
    device: Device,
    near: float = 2e-5,
    near_grad: float = 2e-4,
    peer: str = "ref",
    **args: Any,
) -> None:
    """Hold outputs and gradients against the definition in float64, of the same rounded inputs."""
    kinds = {
        name: x.dtype if x.dtype != torch.float64 else torch.float32 for name, x in given.items()
    }
    ours = {n: x.detach().to(device, kinds[n]).requires_grad_() for n, x in given.items()}
    exact = {n: x.detach().to(device).double().requires_grad_() for n, x in ours.items()}
    outs = []
    for leaves, backend in ((ours, "triton"), (exact, peer)):
        found = run(**leaves, **args, backend=backend)
        outs.append(found if isinstance(found, tuple) else (found,))
        seen = (golden.rule(f"d{i}", x.shape).to(x) for i, x in enumerate(outs[-1]))
        sum((x * s).sum() for x, s in zip(outs[-1], seen, strict=True)).backward()  # type: ignore[union-attr]
    for i, (got, wanted) in enumerate(zip(*outs, strict=True)):
        assert torch.isfinite(got).all(), i
        assert golden.difference(got.detach(), wanted.detach()) < near, i
    for name, leaf in ours.items():
        assert leaf.grad is not None, name
        assert leaf.grad.dtype == leaf.dtype, name
        assert golden.difference(leaf.grad, exact[name].grad) < near_grad, name


@contextmanager
def cut():  # type: ignore[no-untyped-def]
    """Sequences of 16 tokens and more in segments, whatever the device."""
    from drivelab.kernels.sequence.gpu import gated, schedule

    with (
        mock.patch.object(gated, "processors", return_value=1000),
        mock.patch.multiple(schedule, SHORTEST=16, GRAIN=16),
    ):
        yield


def two_gates(given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The arguments of a bidirectional call."""
    g = given["g"]
    return {**{x: given[x] for x in "qkv"}, "gf": g, "gb": g.flip(-1)}


def one_gate(given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The arguments of a call with a scalar gate."""
    return {**given, "g": given["g"][..., 0]}


def segments(device: Device, reverse: bool) -> None:
    given = made("segments", 1, 2, 50, 8, 12)
    with cut():
        agrees(gla, given, device, reverse=reverse)
        agrees(simple_gla, one_gate(given), device, reverse=reverse)


def segments_both(device: Device) -> None:
    with cut():
        agrees(gla_bidirectional, two_gates(made("both", 1, 1, 50, 8, 12)), device)


def mixed_gates(device: Device) -> None:
    """Chunks of mild gates beside chunks that shut, walked in both orders."""
    given = made("mixed", 1, 1, 50, 8, 8)
    given["g"][:, :, 35:40] *= 4000
    agrees(gla, given, device)
    agrees(gla_bidirectional, two_gates(given), device)
    with cut():
        agrees(gla, given, device, reverse=True)


def half(device: Device, kind: torch.dtype) -> None:
    """Short inputs: states stay in float32, outputs and gradients come back short."""
    near = 2e-2 if kind == torch.bfloat16 else 3e-3
    given = made("half", 1, 2, 40, 16, 16)
    short = {n: x.to(kind) if n in "qkv" else x.float() for n, x in given.items()}
    agrees(gla, short, device, near, near)
    agrees(simple_gla, one_gate(short), device, near, near)
    agrees(gla_bidirectional, two_gates(short), device, near, near)
    _, final = gla(**{n: x.to(device) for n, x in short.items()}, backend="triton")
    assert final.dtype == torch.float32


def strides(device: Device) -> None:
    """Heads behind tokens, one tensor for all heads, channels apart."""
    given = {n: x.to(device, torch.float32) for n, x in made("strides", 2, 2, 20, 8, 8).items()}
    turned = {n: x.transpose(1, 2).contiguous().transpose(1, 2) for n, x in given.items()}
    turned["state"] = given["state"].mT.contiguous().mT
    turned["q"] = given["q"][:, :1].expand(-1, 2, -1, -1)
    turned["v"] = torch.stack([given["v"], given["v"]], -1)[..., 0]
    out, final = gla(**turned, backend="triton")
    wanted, wanted_final = gla(**turned, backend="ref")
    torch.testing.assert_close(out, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(final, wanted_final, rtol=1e-4, atol=1e-5)
    agrees(gla, turned, device)


def windows(device: Device) -> None:
    """Tokens and channels both one apart in memory; gradients keep the layouts promised."""
    given = {n: x.to(device, torch.float32) for n, x in made("windows", 1, 2, 20, 8, 8).items()}
    for name in "qkv":
        room = golden.rule(f"windows/{name}", (1, 2, 27)).to(device, torch.float32)
        given[name] = room.unfold(2, 20, 1).mT
    agrees(gla, given, device)
    agrees(simple_gla, one_gate(given), device)
    agrees(gla_bidirectional, two_gates(given), device)


def groups(device: Device) -> None:
    """Heads that share queries and keys, in float32 and bfloat16, in segments."""
    shapes = {"x": (1, 40, 4, 6), "dt": (1, 40, 4), "B": (1, 40, 2, 5), "C": (1, 40, 2, 5)}
    given = {n: golden.rule(f"groups/{n}", s) for n, s in shapes.items()}
    given["A"] = -torch.exp(golden.rule("groups/A", (4,)))
    with cut():
        agrees(ssd, given, device, dt_softplus=True)
    short = {n: given[n].bfloat16() if n in "xBC" else given[n].float() for n in given}
    agrees(ssd, short, device, 2e-2, 2e-2, dt_softplus=True)


def wide(device: Device) -> None:
    """More channels than one block of columns, of no power of two."""
    agrees(gla, made("wide", 1, 1, 18, 70, 200), device)
    agrees(simple_gla, one_gate(made("wide", 1, 1, 18, 200, 70)), device)


def step_by_step(device: Device) -> None:
    given = {n: x.to(device, torch.float32) for n, x in made("steps", 1, 2, 6, 8, 40).items()}
    one, state = one_gate(given), given.pop("state")
    scalar = one.pop("state")
    out, final = gla(**given, state=state, backend="triton")
    plain, last = simple_gla(**one, state=scalar, backend="triton")
    for t in range(6):
        got, state = gla_step(*(given[x][:, :, t] for x in "qkvg"), state, backend="triton")
        torch.testing.assert_close(got, out[:, :, t], rtol=1e-5, atol=1e-5)
        got, scalar = simple_gla_step(*(one[x][:, :, t] for x in "qkvg"), scalar, backend="triton")
        torch.testing.assert_close(got, plain[:, :, t], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(state, final, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(scalar, last, rtol=1e-5, atol=1e-5)


def empty(device: Device) -> None:
    """No tokens, or no sequences."""
    for b, n in ((2, 0), (0, 5)):
        given = {x: t.to(device, torch.float32) for x, t in made("none", b, 2, n, 8, 8).items()}
        state = given["state"].requires_grad_()
        out, final = gla(**given, backend="triton")
        assert out.shape == (b, 2, n, 8)
        torch.testing.assert_close(final, state)
        (final * 3).sum().backward()
        torch.testing.assert_close(state.grad, torch.full_like(state, 3))
        assert gla_bidirectional(**two_gates(given), backend="triton").shape == (b, 2, n, 8)


def refusals(device: Device) -> None:
    for given, word in (
        (made("no", 1, 1, 3, 8, 8), "float64"),
        ({n: x.float() for n, x in made("no", 1, 1, 3, 8, 300).items()}, "at most 256 channels"),
    ):
        for run, args in ((gla, given), (gla_bidirectional, two_gates(given))):
            moved = {n: x.to(device) for n, x in args.items()}
            with pytest.raises(ValueError, match=f"{word}.*backend='torch'"):
                run(**moved, backend="triton")  # type: ignore[operator]


def traced(device: Device) -> None:
    """Schemas, autograd and shapes of tensors without contents."""
    from drivelab.kernels.sequence.gla.gpu import gla_triton
    from drivelab.kernels.sequence.gla_bidirectional.gpu import gla_bidirectional_triton

    kinds = ("test_schema", "test_autograd_registration", "test_faketensor")
    given = {n: x.to(device, torch.float32) for n, x in made("traced", 1, 2, 5, 4, 6).items()}
    given = {n: x.requires_grad_() for n, x in given.items()}
    torch.library.opcheck(gla_triton.registered, (*given.values(), 1.0, False), test_utils=kinds)
    both = (*two_gates(given).values(), 1.0)
    torch.library.opcheck(gla_bidirectional_triton.registered, both, test_utils=kinds)


def selective_tiles(device: Device) -> None:
    """Tokens in more than one tile, states handed over in both orders, and step by step."""
    from drivelab.kernels.sequence.selective_scan import gpu

    shapes = {"u": (2, 6, 40), "delta": (2, 6, 40), "B": (2, 2, 3, 40), "C": (2, 2, 3, 40)}
    given = {n: golden.rule(f"tiles/{n}", s) for n, s in shapes.items()}
    given["A"] = -torch.exp(golden.rule("tiles/A", (6, 3)))
    given["state"] = golden.rule("tiles/state", (2, 6, 3))
    with mock.patch.object(gpu, "TILE", 16):
        for reverse in (False, True):
            agrees(selective_scan, given, device, delta_softplus=True, reverse=reverse)
    few = {n: x.to(device, torch.float32) for n, x in given.items()}
    state = few.pop("state")
    cut_off = {n: x if n == "A" else x[..., :3] for n, x in few.items()}
    y, final = selective_scan(**cut_off, state=state, delta_softplus=True, backend="triton")
    for t in range(3):
        now = {n: x if n == "A" else x[..., t] for n, x in cut_off.items()}
        got, state = selective_scan_step(**now, state=state, delta_softplus=True, backend="triton")
        torch.testing.assert_close(got, y[..., t], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(state, final, rtol=1e-5, atol=1e-5)


def convolutions(device: Device) -> None:
    """Both memory orders, several tiles, other lengths of the filter, bfloat16."""
    for taps, order in ((4, (0, 1, 2)), (3, (0, 2, 1)), (1, (0, 1, 2))):
        x = golden.rule(f"conv{taps}/x", tuple((2, 5, 33)[i] for i in order)).permute(order)
        given = {"x": x, "w": golden.rule("conv/w", (5, taps)), "b": golden.rule("conv/b", (5,))}
        given["state"] = golden.rule("conv/state", (2, 5, taps - 1))
        agrees(causal_conv1d, given, device, act="silu", reverse=taps == 3)
    short = {n: t.bfloat16() for n, t in given.items()}
    agrees(causal_conv1d, short, device, 1e-2, 1e-2)


def norms(device: Device) -> None:
    """Rows in several tiles and programs, a group that is no power of two, bfloat16."""
    from drivelab.kernels.sequence.rmsnorm_gated import gpu

    given = {"x": golden.rule("n/x", (3, 7, 12)), "w": golden.rule("n/w", (12,))}
    gated = {**given, "z": golden.rule("n/z", (7, 3, 12)).transpose(0, 1)}
    with mock.patch.multiple(gpu, CELLS=16, TOGETHER=3):
        agrees(rmsnorm, given, device, group=6)
        for before in (False, True):
            agrees(rmsnorm_gated, gated, device, norm_before_gate=before)
    short = {n: t.bfloat16() for n, t in gated.items()}
    agrees(rmsnorm_gated, short, device, 1e-2, 2e-2, group=4)


def long(device: Device, name: str) -> None:
    """Thousands of tokens on a device, against plain torch in float64."""
    given = made(name, 2, 2, 4099, 64, 128)
    short = {n: x.bfloat16() if n in "qkv" else x.float() for n, x in given.items()}
    run, of = {
        "gla": (gla, dict),
        "simple_gla": (simple_gla, one_gate),
        "gla_bidirectional": (gla_bidirectional, two_gates),
    }[name]
    agrees(run, of(given), device, peer="torch")  # type: ignore[operator]
    agrees(run, of(short), device, 2e-2, 3e-2, peer="torch")  # type: ignore[operator]


CHECKS: dict[str, Callable[[Device], None]] = {
    case["case"]: partial(golden_case, op, case)
    for op in OPS
    for case in golden.cases(op)
    if tokens(case) <= LONGEST
}
CHECKS |= {
    "segments": partial(segments, reverse=False),
    "segments_reverse": partial(segments, reverse=True),
    "bfloat16": partial(half, kind=torch.bfloat16),
    "float16": partial(half, kind=torch.float16),
}
CHECKS |= {
    check.__name__: check
    for check in (
        *(
            segments_both,
            mixed_gates,
            strides,
            windows,
            groups,
            wide,
            step_by_step,
            empty,
            refusals,
        ),
        *(traced, selective_tiles, convolutions, norms),
    )
}
LONG = ("gla", "simple_gla", "gla_bidirectional")


def main() -> None:
    """All checks, or those named, in the interpreter."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CHECKS:
        begin, error = time.process_time(), ""
        try:
            CHECKS[name]("cpu")
        except Exception:  # each is told to the test that asks for it
            error = traceback.format_exc()
        took = time.process_time() - begin
        print(json.dumps({"check": name, "error": error, "seconds": took}), flush=True)


if __name__ == "__main__":
    main()
