"""Time, memory and error of the sequence ops over lengths, beside attention and public kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from drivelab.speed.clock import cpu_mb, cpu_ms, gpu_mb, gpu_ms
from drivelab.speed.kernel_jobs import OURS, Job, Run, make_job
from drivelab.speed.row import Row

OPS = tuple(OURS)
LENGTHS = (196, 1024, 4096, 16384)
HEADS, WIDTH = 4, 64
BACKENDS = {"cpu": ("numba", "torch"), "cuda": ("triton", "torch")}
EXACT = 1024  # tokens up to which gradients are held against the definition, which keeps states
SLOW = 20_000.0  # a runner that took so long [ms] is not asked for the next length

# Asked of the numba backend on one CPU core, 4 heads of 64 channels, float32 [ms].
FORWARD_LIMITS = {196: 0.30, 1024: 1.4, 4096: 6.5, 16384: 28.0}
BOTH_LIMITS = {196: 1.2, 1024: 6.0, 4096: 28.0, 16384: 120.0}
SHARES = {"gla": 1.0, "simple_gla": 0.8, "ssd": 0.8}  # of the limits above


def op_of(row: Row) -> str:
    """The op that a row is about."""
    return row.job.split()[0]


def measure(
    ops: Sequence[str],
    lengths: Sequence[int],
    device: str,
    dtype: torch.dtype,
    *,
    heads: int = HEADS,
    width: int = WIDTH,
) -> Iterator[Row]:
    """Rows as they are found: every op, length, runner, forward and with all gradients.

    Args:
        ops: some of `OPS`.
        lengths: tokens.
        device: "cpu" or "cuda".
        dtype: of the inputs.
        heads: number of heads.
        width: channels of each head.
    """
    asked = (heads, width, dtype) == (HEADS, WIDTH, torch.float32)
    for op in ops:
        slow: set[tuple[str, bool]] = set()
        for tokens in lengths:
            job = make_job(op, heads, width, tokens, device, dtype)
            for runner, run in _runners(job, device):
                for gradients in (False, True):
                    if (runner, gradients) in slow:
                        continue
                    row = _row(job, tokens, runner, run, gradients, device)
                    if asked:
                        row = replace(row, limit=_limit(op, tokens, runner, gradients))
                    if row.ms > SLOW:
                        slow.add((runner, gradients))
                    yield row


def _runners(job: Job, device: str) -> Iterator[tuple[str, Run]]:
    for backend in BACKENDS[device]:
        yield f"drivelab {backend}", job.ours(backend)
    yield from job.peers.items()


def _row(job: Job, tokens: int, runner: str, run: Run, gradients: bool, device: str) -> Row:
    call = _both(job, run) if gradients else _forward(job, run)
    timed, weighed = (gpu_ms, gpu_mb) if device == "cuda" else (cpu_ms, cpu_mb)
    ours = runner.startswith("drivelab")
    return Row(
        job=f"{job.op} {'forward+backward' if gradients else 'forward'}",
        size=tokens,
        runner=runner,
        ms=timed(call),
        mb=weighed(call),
        error=_error(job, tokens, run, gradients) if ours else None,
    )


def _limit(op: str, tokens: int, runner: str, gradients: bool) -> float | None:
    """What was asked of the runner for the op, or nothing."""
    limits = BOTH_LIMITS if gradients else FORWARD_LIMITS
    if runner != "drivelab numba" or op not in SHARES or tokens not in limits:
        return None
    return SHARES[op] * limits[tokens]


def _forward(job: Job, run: Run) -> Callable[[], Tensor]:
    def call() -> Tensor:
        with torch.no_grad():
            return run(job.inputs)

    return call


def _both(job: Job, run: Run) -> Callable[[], None]:
    leaves = [x.detach().requires_grad_() for x in job.inputs]
    with torch.no_grad():
        seen = torch.randn_like(run(leaves))

    def call() -> None:
        torch.autograd.grad(run(leaves), leaves, seen, allow_unused=True)

    return call


def _error(job: Job, tokens: int, run: Run, gradients: bool) -> float:
    """Largest difference from the definition in float64, over the definition's largest value.

    Gradients of more than `EXACT` tokens are held against plain torch's chunks in float64: the
    definition would keep the state of every token.
    """
    wide = tuple(x.double() for x in job.inputs)
    if not gradients:
        with torch.no_grad():
            return _apart(run(job.inputs), job.ours("ref")(wide))
    truth = job.ours("ref" if tokens <= EXACT else "torch")
    with torch.no_grad():
        seen = torch.randn_like(run(job.inputs))
    pairs = []
    for call, given in ((run, job.inputs), (truth, wide)):
        leaves = [x.detach().requires_grad_() for x in given]
        out = call(leaves)
        pairs.append(torch.autograd.grad(out, leaves, seen.to(out.dtype)))
    return max(_apart(got, wanted) for got, wanted in zip(*pairs, strict=True))


def _apart(got: Tensor, wanted: Tensor) -> float:
    return float((got.double() - wanted).abs().max() / wanted.abs().max())
