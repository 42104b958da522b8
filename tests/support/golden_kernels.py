"""The golden cases of `kernels/`: seeded inputs, stored outputs and gradients."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parents[1] / "golden")) / "kernels"

TRANSFORMS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "id": lambda n, _: n,
    "logsig": lambda n, c: torch.nn.functional.logsigmoid(n) / c,
    "neg": lambda n, c: -c * n.abs(),
    "negexp": lambda n, c: -torch.exp(c * n),
    "scale": lambda n, c: c * n,
    "zero": lambda n, _: torch.zeros_like(n),
}


@cache
def index() -> dict[str, Any]:
    return json.loads((ROOT / "index.json").read_text())


def cases(op: str) -> list[dict[str, Any]]:
    """The cases of an op; there is at least one."""
    found = [case for case in index()["cases"] if case["op"] == op]
    assert found, f"no golden case of {op} in {ROOT}"
    return found


def rule(name: str, shape: Sequence[int]) -> Tensor:
    """Seeded standard normal numbers, float64."""
    seed = zlib.crc32(name.encode()) & 0xFFFFFFFF
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(tuple(shape)))


def rule_weight(name: str, shape: Sequence[int]) -> Tensor:
    """Seeded weights, by what stands behind the last dot of a parameter's name.

    The stored values were made with the case's name still before a name without a dot, so that
    "case/pos_embed" falls under the general rules.
    """
    n, last = rule(name, shape), name.rsplit(".", 1)[-1]
    if last == "A_log":
        return 0.5 + 0.25 * n
    if last == "dt_bias":
        return -3 + 0.5 * n
    if last in ("D", "A_log_bias"):
        return 1 + 0.1 * n
    if last in ("pos_embed", "cls_token"):
        return 0.02 * n
    if len(shape) >= 2:
        return n / float(np.sqrt(np.prod(shape[1:])))
    return 1 + 0.1 * n if last == "weight" else 0.1 * n


def inputs(case: Mapping[str, Any], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """The transformed inputs of a case, as leaves."""
    out = {}
    for item in case["inputs"]:
        kind, _, value = item["transform"].partition(":")
        n = rule(f"{case['case']}/{item['arg']}", item["shape"])
        made = TRANSFORMS[kind](n, float(value or 0))
        out[item["arg"]] = made.to(dtype).requires_grad_()
    return out


def stored(case: Mapping[str, Any]) -> dict[str, Tensor]:
    """What the file holds, as float64."""
    with np.load(ROOT / f"{case['case']}.npz") as file:
        return {name: torch.from_numpy(np.asarray(file[name], float)) for name in file.files}


def load_weights(case: str, module: torch.nn.Module) -> None:
    """Give a module the seeded weights of a case."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(rule_weight(f"{case}/{name}", parameter.shape))


def manifest(name: str) -> dict[str, Any]:
    """Names and shapes of a released configuration: the first entry that begins with `name`."""
    entries = json.loads((ROOT / "manifests.json").read_text())
    return next(entry for key, entry in entries.items() if key.startswith(name))


def manifest_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """What a manifest lists, with each block's tensors for `blocks.{i}`.

    Skip layers are only in the later half of the blocks.
    """
    entry = manifest(name)
    shapes = {}
    for tensor, shape in entry["tensors"].items():
        blocks = range(entry["blocks"]) if "{i}" in tensor else [0]
        for i in blocks:
            if "skip_linear" not in tensor or i > len(blocks) // 2:
                shapes[tensor.replace("{i}", str(i))] = tuple(shape)
    assert len(shapes) == entry.get("tensor_count", len(shapes)), name
    return shapes


def loss_of(case: str, outputs: Mapping[str, Tensor]) -> Tensor:
    """Sum of the outputs against their seeded cotangents."""
    return sum(  # type: ignore[return-value]
        (out * rule(f"{case}/d{name}", out.shape).to(out.dtype)).sum()
        for name, out in outputs.items()
    )


def difference(got: Tensor, wanted: Tensor) -> float:
    """Relative L2 distance; of a zero tensor the plain one."""
    size = float(wanted.norm())
    return float((got.double() - wanted).norm()) / (size or 1.0)


def limits(case: Mapping[str, Any], dtype: torch.dtype) -> tuple[float, float]:
    """Allowed difference of outputs and of gradients."""
    if dtype == torch.float64:
        exact = 1e-9 if case["stored"] == "float64" else 1e-6
        return exact, exact
    return 2e-5, 2e-4


def check(
    case: Mapping[str, Any],
    got: Mapping[str, Tensor],
    leaves: Mapping[str, Tensor],
    dtype: torch.dtype,
) -> None:
    """Hold outputs and all stored gradients against the file."""
    wanted, (near, near_grad) = stored(case), limits(case, dtype)
    outputs = {name: got[name] for name in case["outputs"]}
    for name, out in outputs.items():
        assert torch.isfinite(out).all(), (case["case"], name)
        assert difference(out.detach(), wanted[f"out.{name}"]) < near, (case["case"], name)
    loss_of(case["case"], outputs).backward()
    graded = [name for name in wanted if name.startswith("grad.")]
    for name in graded:
        leaf = leaves[name.removeprefix("grad.").removeprefix("param.")]
        assert leaf.grad is not None, (case["case"], name)
        assert difference(leaf.grad, wanted[name]) < near_grad, (case["case"], name)
