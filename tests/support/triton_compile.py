"""Compile what the ops would launch, for a GPU that need not be there: `python triton_compile.py`.

Launches are caught, their arguments turned into the signature that Triton would specialise on, and
compiled down to machine code by the compiler that its wheel brings. Prints one JSON line a kernel.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import warnings
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from drivelab.kernels.sequence.causal_conv1d.gpu import causal_conv1d_triton
from drivelab.kernels.sequence.gla.gpu import gla_triton
from drivelab.kernels.sequence.gla_bidirectional.gpu import gla_bidirectional_triton
from drivelab.kernels.sequence.gpu import schedule
from drivelab.kernels.sequence.rmsnorm_gated.gpu import rmsnorm_gated_triton
from drivelab.kernels.sequence.selective_scan.gpu import selective_scan_triton
from drivelab.kernels.sequence.simple_gla.gpu import simple_gla_triton

OPTIONS = ("num_warps", "num_stages", "enable_fp_fusion")
TYPES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
SHARED = 232448  # bytes that a program may have on compute capability 9.0


def source(kernel: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ASTSource:
    """The kernel as Triton specialises it: ones are constants, multiples of 16 are marked."""
    given = dict(zip(kernel.arg_names, args, strict=False)) | kwargs
    signature, constants, known = {}, {}, {}
    for place, (name, parameter) in enumerate(zip(kernel.arg_names, kernel.params, strict=True)):
        value = given[name]
        if parameter.is_constexpr or (type(value) is int and value == 1):
            signature[name], constants[place,] = "constexpr", value
            continue
        if isinstance(value, torch.Tensor):
            signature[name], known[place,] = f"*{TYPES[value.dtype]}", [["tt.divisibility", 16]]
        elif isinstance(value, float):
            signature[name] = "fp32"
        else:
            signature[name] = "i64" if value >= 1 << 31 else "i32"
            if value % 16 == 0:
                known[place,] = [["tt.divisibility", 16]]
    return ASTSource(kernel, signature, constants, known)


class Catch:
    """Stands for `kernel[grid](...)`."""

    def __init__(self, capability: int) -> None:
        self.target, self.op, self.count = GPUTarget("cuda", capability, 32), "", 0

    def launch(self, kernel: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        options = {name: kwargs[name] for name in OPTIONS if name in kwargs}
        made = triton.compile(
            source(kernel, args, kwargs), target=self.target, options={"num_warps": 4, **options}
        )
        self.count += 1
        shared, size = made.metadata.shared, len(made.asm["cubin"])
        print(
            json.dumps({"op": self.op, "kernel": kernel.__name__, "shared": shared, "size": size})
        )
        sys.stdout.flush()
        assert shared <= SHARED, (self.op, kernel.__name__, shared)


def gated(catch: Catch, kind: torch.dtype, keys: int, values: int, tokens: int) -> None:
    """Forward and backward of the gated scans."""
    q, k, g = (torch.zeros(1, 2, tokens, keys, dtype=kind, requires_grad=True) for _ in range(3))
    gates = torch.zeros(1, 2, tokens, keys, requires_grad=True)
    v = torch.zeros(1, 2, tokens, values, dtype=kind, requires_grad=True)
    state = torch.zeros(1, 2, keys, values, requires_grad=True)
    catch.op = f"gla {kind} {keys} {values} {tokens}"
    out, final = gla_triton(q, k, v, gates, state, 1.0, False)
    (out.float().sum() + final.sum()).backward()
    catch.op = f"gla_bidirectional {kind} {keys} {values} {tokens}"
    gla_bidirectional_triton(q, k, v, gates, g.float(), 1.0).float().sum().backward()
    catch.op = f"simple_gla {kind} {keys} {values} {tokens}"
    shared = [x[:, :1].detach().requires_grad_() for x in (q, k)]
    gate = torch.zeros(1, 2, tokens, 1, requires_grad=True)
    out, final = simple_gla_triton(*shared, v, gate, state, 1.0, True)
    (out.float().sum() + final.sum()).backward()


def others(catch: Catch) -> None:
    """One token, and what stands beside the gated scans."""
    catch.op = "step"
    one = [torch.zeros(1, 2, 1, 64) for _ in range(4)]
    gla_triton(*one, torch.zeros(1, 2, 64, 64), 1.0, False)
    catch.op = "selective_scan"
    u, delta = (torch.zeros(1, 8, 300, requires_grad=True) for _ in range(2))
    b, c = (torch.zeros(1, 2, 16, 300) for _ in range(2))
    y, _ = selective_scan_triton(u, delta, torch.zeros(8, 16), b, c, torch.zeros(1, 8, 16), False)
    y.sum().backward()
    catch.op = "causal_conv1d"
    x = torch.zeros(1, 96, 300, dtype=torch.bfloat16, requires_grad=True)
    w, bias, state = (torch.zeros(*s) for s in ((96, 4), (96,), (1, 96, 3)))
    for one in (x, x.transpose(1, 2).contiguous().transpose(1, 2)):
        causal_conv1d_triton(one, w, bias, state, True)[0].float().sum().backward()
    catch.op = "rmsnorm_gated"
    x = torch.zeros(30, 96, dtype=torch.bfloat16, requires_grad=True)
    for before, group in itertools.product((False, True), (96, 32)):
        found = rmsnorm_gated_triton(x, torch.ones(96), x.detach(), 1e-5, group, before)
        found.float().sum().backward()


def main() -> None:
    """Everything for compute capability 9.0, or the one that is told."""
    assert os.environ.get("TRITON_INTERPRET", "0") == "0", "compiling needs the real language"
    warnings.simplefilter("ignore")
    catch = Catch(int(sys.argv[1]) if len(sys.argv) > 1 else 90)
    triton.runtime.jit.JITFunction.run = lambda kernel, *args, grid, warmup, **kwargs: catch.launch(
        kernel, args, kwargs
    )
    schedule.processors = lambda device: 8  # sequences of 1,100 tokens are cut into segments
    schedule.Chosen.run = lambda self, key, tries, launch, like: launch(tries[0])
    from drivelab.kernels.sequence.gpu import gated as passes

    passes.processors = schedule.processors
    gated(catch, torch.bfloat16, 128, 128, 64)
    gated(catch, torch.bfloat16, 32, 64, 1100)
    gated(catch, torch.float32, 64, 64, 64)
    gated(catch, torch.float16, 64, 64, 64)
    gated(catch, torch.bfloat16, 256, 256, 64)
    others(catch)
    print(json.dumps({"kernels": catch.count}))


if __name__ == "__main__":
    main()
