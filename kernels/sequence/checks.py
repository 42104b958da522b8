"""Arguments of the ops: each error names the argument, what it is and what it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

KINDS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
FEW = 64  # numbers that Python compares faster than a call of torch
FILLED = ("K", "V", "N", "P")  # axes without which there is no state


def check_shapes(
    op: str,
    tensors: Mapping[str, Tensor | None],
    shapes: Mapping[str, str],
    **lengths: int,
) -> None:
    """Hold tensors against shapes like "B H L K"; equal letters must be equal numbers.

    Args:
        op: for messages.
        tensors: by name; None is left out.
        shapes: of each name.
        lengths: of letters that are known already.

    Raises:
        TypeError: no tensor, or no floating type.
        ValueError: another number of axes, another length, no channels, or another device than
            the first.
    """
    known = dict(lengths)
    first: tuple[str, Tensor] | None = None
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        _check_kind(op, name, tensor)
        first = first or (name, tensor)
        if tensor.device != first[1].device:
            raise ValueError(
                f"{op}: {name} is on {tensor.device}, {first[0]} on {first[1].device}; "
                "move them to one device"
            )
        _check_shape(op, name, tensor, shapes[name].split(), known)


def of_one_token(shapes: Mapping[str, str]) -> dict[str, str]:
    """Shapes without the axis of tokens."""
    return {name: " ".join(a for a in one.split() if a != "L") for name, one in shapes.items()}


def _check_kind(op: str, name: str, tensor: Tensor) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{op}: {name} is a {type(tensor).__name__}; expected a torch.Tensor")
    if tensor.dtype not in KINDS:
        raise TypeError(
            f"{op}: {name} is {_short(tensor.dtype)}; expected one of "
            f"{', '.join(_short(kind) for kind in KINDS)}"
        )


def _check_shape(
    op: str, name: str, tensor: Tensor, wanted: Sequence[str], known: dict[str, int]
) -> None:
    shape = tuple(tensor.shape)
    if len(shape) != len(wanted):
        raise ValueError(
            f"{op}: {name} has shape {shape}, {len(shape)} axes; expected {_told(wanted, known)}, "
            f"axes ({', '.join(wanted)})"
        )
    for axis, (letter, length) in enumerate(zip(wanted, shape, strict=True)):
        if letter in FILLED and not length:
            raise ValueError(
                f"{op}: {name} has shape {shape}, axis {axis} ({letter}) is 0; expected at least 1"
            )
        if known.setdefault(letter, length) != length:
            raise ValueError(
                f"{op}: {name} has shape {shape}, axis {axis} ({letter}) is {length}; expected "
                f"{_told(wanted, known)}, as other arguments have {letter} = {known[letter]}"
            )


def _told(wanted: Sequence[str], known: Mapping[str, int]) -> str:
    """A shape with the numbers that are known."""
    return f"({', '.join(str(known.get(letter, letter)) for letter in wanted)})"


def check_gates(op: str, **gates: Tensor) -> None:
    """Refuse log gates above 0 and NaN ones, where that costs no round trip to a device.

    Raises:
        ValueError: says which one, where.
    """
    for name, gate in gates.items():
        _check_sign(op, name, gate, -1, "log gates, at most 0 (use logsigmoid or minus softplus)")


def check_rates(op: str, **rates: Tensor) -> None:
    """Refuse decay rates above 0 and NaN ones, as `check_gates` does.

    Raises:
        ValueError: says which one, where.
    """
    for name, rate in rates.items():
        _check_sign(op, name, rate, -1, "decay rates, at most 0 (use minus exp)")


def check_steps(op: str, **steps: Tensor) -> None:
    """Refuse step sizes below 0 and NaN ones, as `check_gates` does.

    Raises:
        ValueError: says which one, where.
    """
    for name, step in steps.items():
        _check_sign(op, name, step, 1, "step sizes, at least 0 (use softplus)")


def check_limits(op: str, name: str, limits: tuple[float, float]) -> None:
    """Expect a least and a largest step size, 0 <= least <= largest.

    Raises:
        ValueError: they are not.
    """
    least, largest = limits
    if not 0 <= least <= largest:  # NaN is not
        raise ValueError(
            f"{op}: {name} is ({least:g}, {largest:g}); expected the least and the largest step "
            "size, 0 <= least <= largest"
        )


def _check_sign(op: str, name: str, given: Tensor, sign: int, wanted: str) -> None:
    if torch.compiler.is_compiling() or given.device.type != "cpu" or not given.numel():
        return
    values = given.detach()
    if type(values).__name__ == "FakeTensor":
        return
    if given.ndim == 1 and len(given) <= FEW and all(one * sign >= 0 for one in values.tolist()):
        return
    worst = values.amax() if sign < 0 else values.amin()
    if worst.item() * sign >= 0:  # NaN is not
        return
    flat = int(torch.argmax((~(values * sign >= 0)).flatten().to(torch.uint8)))
    at = tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), values.shape))
    raise ValueError(f"{op}: {name}{list(at)} is {float(values[at]):g}; expected {wanted}")


def check_mask(op: str, mask: Tensor | None, batch: int, tokens: int, device: torch.device) -> None:
    """Expect a (B, L) mask that is true at real tokens.

    Raises:
        TypeError: no tensor of bool.
        ValueError: another shape, or another device.
    """
    if mask is None:
        return
    wanted = f"(B, L) = ({batch}, {tokens})"
    if not isinstance(mask, Tensor):
        raise TypeError(
            f"{op}: mask is a {type(mask).__name__}; expected a torch.Tensor of bool, {wanted}, "
            "true at real tokens"
        )
    if mask.dtype != torch.bool:
        raise TypeError(f"{op}: mask is {_short(mask.dtype)}; expected bool, true at real tokens")
    if tuple(mask.shape) != (batch, tokens):
        raise ValueError(f"{op}: mask has shape {tuple(mask.shape)}; expected {wanted}")
    if mask.device != device:
        raise ValueError(
            f"{op}: mask is on {mask.device}, the other arguments on {device}; move them to one "
            "device"
        )


def _short(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")
