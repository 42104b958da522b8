"""Gaussians between the numbers that files hold and those that a rasteriser draws.

Trainers hold logs of scales and logits of opacities, so that every number is a legal one; whoever
draws wants both linear.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from drivelab.errors import DataError
from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.checks import no_rotations
from drivelab.sim.splats.memory import CHECKED, require_memory

LEAST_SCALE = 1e-12  # [m]; the log of 0 cannot be stored
BLOCK = 1 << 15  # rows that are converted together
CERTAIN = 2.0**-24  # nearest that a stored opacity comes to 0 and 1
# What messages call the numbers: centres, rotations, scales, opacities, colours.
NAMES = ("means", "quats", "scales", "opacities", "sh")
RANKS = {0: 1, 1: 4, 2: 9, 3: 16}  # degree -> coefficients of a colour


def sigmoid(logits: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Opacities of logits, float64; far ones become 0 and 1 without a warning."""
    with np.errstate(over="ignore"):
        opacities: np.ndarray = 1.0 / (1.0 + np.exp(-np.asarray(logits, float)))
    return opacities


def logit(opacities: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Logits of opacities, float64; 0 and 1 count as 2^-24 from there."""
    kept = np.clip(np.asarray(opacities, float), CERTAIN, 1.0 - CERTAIN)
    logits: np.ndarray = np.log(kept / (1.0 - kept))
    return logits


def log_scales(scales: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Logs of scales, float64; below 1e-12 m they count as that."""
    logs: np.ndarray = np.log(np.maximum(np.asarray(scales, float), LEAST_SCALE))
    return logs


def unit_quats(quats: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """Rotations of length 1, float64."""
    quats = np.asarray(quats, float)
    unit: np.ndarray = quats / np.linalg.norm(quats, axis=1, keepdims=True)
    return unit


def as_bytes(values: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Rounded to whole numbers; what is beyond 0..255 is cut."""
    cut: np.ndarray = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return cut


def bytes_in_blocks(
    values: Float[np.ndarray, "n ..."], scaled: Callable[[np.ndarray], np.ndarray]
) -> UInt8[np.ndarray, "n ..."]:
    """`as_bytes` of many numbers without as much memory again for each step on the way.

    Args:
        values: any.
        scaled: what becomes of some of them, in double precision, before they are rounded.
    """
    out = np.empty(values.shape, np.uint8)
    for begin in range(0, len(values), BLOCK):
        part = slice(begin, begin + BLOCK)
        out[part] = as_bytes(scaled(np.asarray(values[part], float)))
    return out


def require_room(count: int, rank: int, *, file: Path) -> None:
    """Refuse more Gaussians than the memory holds, before any is read.

    Args:
        count: of Gaussians.
        rank: coefficients of a colour.
        file: named in the message.
    """
    require_memory(CHECKED * 4 * count * (11 + 3 * rank), file=file, what="its Gaussians")


def single(
    means: np.ndarray, quats: np.ndarray, scales: np.ndarray, opacities: np.ndarray, sh: np.ndarray
) -> Gaussians:
    """Gaussians in single precision; what that cannot hold becomes infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        return Gaussians(*(np.ascontiguousarray(values, np.float32)
                           for values in (means, quats, scales, opacities, sh)))  # fmt: skip


def trained(
    means: np.ndarray, quats: np.ndarray, logs: np.ndarray, logits: np.ndarray, sh: np.ndarray,
    *, file: Path, names: Sequence[str] = NAMES,
) -> Gaussians:  # fmt: skip
    """Gaussians of what a trainer holds, checked.

    Args:
        means: (n, 3) centres [m].
        quats: (n, 4) rotations wxyz of any length but 0.
        logs: (n, 3) logs of scales.
        logits: (n,) of opacities.
        sh: (n, k, 3) coefficients of colours.
        file: named in messages.
        names: what messages call the five, in that order.

    Raises:
        DataError: NaN or infinity, also after the exponential; a rotation of length 0.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scales = np.exp(np.asarray(logs, float))
    found = single(means, quats, scales, sigmoid(logits), sh)
    refuse_wrong(found, file=file, names=names, logits=logits)
    return found


def refuse_wrong(
    found: Gaussians, *, file: Path, names: Sequence[str] = NAMES, logits: np.ndarray | None = None
) -> None:
    """Refuse numbers that nothing can be drawn of, with the name and the first index.

    Raises:
        DataError: NaN, infinity, a rotation of length 0 or beyond 1e12.
    """
    values = (found.means, found.quats, found.scales,
              found.opacities if logits is None else logits, found.sh)  # fmt: skip
    for number, (name, array) in enumerate(zip(names, values, strict=True)):
        wrong = ~np.isfinite(array).reshape(len(array), -1).all(1)
        if number == 1:
            wrong |= no_rotations(array)
        if wrong.any():
            raise DataError(
                f"{int(wrong.sum())} Gaussians are wrong; expected finite numbers (scales as "
                "logs) and rotations longer than 0; train or export it again",
                file=file,
                where=f"{name} of Gaussian {int(wrong.argmax())}",
            )
