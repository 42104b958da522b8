"""The sequence ops side by side: seeded inputs, and how tests call each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from drivelab.kernels.sequence.causal_conv1d import causal_conv1d, causal_conv1d_step
from drivelab.kernels.sequence.gla import gla, gla_step
from drivelab.kernels.sequence.gla_bidirectional import gla_bidirectional
from drivelab.kernels.sequence.rmsnorm_gated import rmsnorm_gated
from drivelab.kernels.sequence.selective_scan import selective_scan, selective_scan_step
from drivelab.kernels.sequence.simple_gla import simple_gla, simple_gla_step
from drivelab.kernels.sequence.ssd import ssd, ssd_step

GATES = ("g", "gf", "gb")
RATES = ("A",)


def same(got, wanted, limit=1e-12):
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    torch.testing.assert_close(got, wanted, rtol=limit, atol=limit)


def gradients(outputs, inputs):
    torch.manual_seed(9)
    loss = sum((out * torch.randn(out.shape, dtype=out.dtype)).sum() for out in outputs)
    found = torch.autograd.grad(loss, list(inputs.values()), allow_unused=True)
    return dict(zip(inputs, found, strict=True))


@dataclass(frozen=True)
class Op:
    """An op with the shapes of its inputs, in which 0 stands for the number of tokens."""

    run: Callable
    shapes: Mapping[str, tuple[int, ...]]
    state: tuple[int, ...] = ()
    step: Callable | None = None
    options: Mapping[str, object] = field(default_factory=dict)

    def inputs(
        self, tokens: int, dtype: torch.dtype = torch.float64, *, seed: int = 0, state: bool = False
    ) -> dict[str, Tensor]:
        """Seeded inputs as leaves."""
        torch.manual_seed(seed)
        shapes = {n: tuple(tokens if s == 0 else s for s in x) for n, x in self.shapes.items()}
        if state:
            shapes["state"] = self.state
        made = {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}
        for name in made:
            if name in (*GATES, *RATES):
                made[name] = -made[name].abs()
        return {name: x.to(dtype).requires_grad_() for name, x in made.items()}

    def call(self, inputs: Mapping[str, Tensor], **more: object) -> tuple[Tensor, ...]:
        """All outputs, as a tuple."""
        out = self.run(**inputs, **self.options, **more)
        return out if isinstance(out, tuple) else (out,)

    def time(self, name: str) -> int | None:
        """Axis of time of an input."""
        shape = self.shapes.get(name, ())
        return shape.index(0) if 0 in shape else None

    @property
    def out_time(self) -> int:
        """Axis of time of the first output."""
        return self.time(next(iter(self.shapes)))

    def part(self, inputs: Mapping[str, Tensor], begin: int, end: int) -> dict[str, Tensor]:
        """Tokens from `begin` to `end`."""
        out = {}
        for name, x in inputs.items():
            axis = self.time(name)
            out[name] = x if axis is None else x.narrow(axis, begin, end - begin)
        return out


_QK, _V = (2, 2, 0, 3), (2, 2, 0, 5)
OPS = {
    "gla": Op(gla, {"q": _QK, "k": _QK, "v": _V, "g": _QK}, (2, 2, 3, 5), gla_step),
    "gla_bidirectional": Op(gla_bidirectional, {"q": _QK, "k": _QK, "v": _V, "gf": _QK, "gb": _QK}),
    "simple_gla": Op(
        simple_gla, {"q": _QK, "k": _QK, "v": _V, "g": (2, 2, 0)}, (2, 2, 3, 5), simple_gla_step
    ),
    "ssd": Op(
        ssd,
        {
            "x": (2, 0, 4, 3),
            "dt": (2, 0, 4),
            "A": (4,),
            "B": (2, 0, 2, 5),
            "C": (2, 0, 2, 5),
            "D": (4,),
            "z": (2, 0, 4, 3),
            "dt_bias": (4,),
        },
        (2, 4, 3, 5),
        ssd_step,
        {"dt_softplus": True},
    ),
    "selective_scan": Op(
        selective_scan,
        {
            "u": (2, 6, 0),
            "delta": (2, 6, 0),
            "A": (6, 3),
            "B": (2, 2, 3, 0),
            "C": (2, 2, 3, 0),
            "D": (6,),
            "z": (2, 6, 0),
            "delta_bias": (6,),
        },
        (2, 6, 3),
        selective_scan_step,
        {"delta_softplus": True},
    ),
    "causal_conv1d": Op(
        causal_conv1d,
        {"x": (2, 3, 0), "w": (3, 4), "b": (3,)},
        (2, 3, 3),
        causal_conv1d_step,
        {"act": "silu"},
    ),
    "rmsnorm_gated": Op(
        rmsnorm_gated, {"x": (2, 0, 6), "w": (6,), "z": (2, 0, 6)}, options={"group": 3}
    ),
}
CAUSAL = {name: op for name, op in OPS.items() if op.state}
