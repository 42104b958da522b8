"""The exported file held against the PyTorch network it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from drivelab.bridges.export.formats import Run
from drivelab.bridges.export.subjects import Subject, TensorNote
from drivelab.errors import DrivelabError

LIMIT = 1e-4  # largest difference of any number of any output [m, rad, logit]
RANDOM_BATCHES = 4
Features = Mapping[str, np.ndarray]


class ParityError(DrivelabError):
    """An exported file does not give what its network gives."""


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest absolute difference by output, and over how many batches of which features."""

    differences: Mapping[str, float]
    random_batches: int
    real_batches: int


def check_parity(
    subject: Subject,
    run: Run,
    inputs: Sequence[TensorNote],
    outputs: Sequence[TensorNote],
    real: Sequence[Features],
) -> Parity:
    """Compare on random features and on real ones, each with other noise.

    Args:
        subject: the network.
        run: the exported file.
        inputs: of the file.
        outputs: of the file.
        real: features with a batch axis, noise left out.

    Raises:
        ParityError: a number differs by more than `LIMIT`, or is not finite.
    """
    worst = {note.name: 0.0 for note in outputs}
    for features in _batches(inputs, real):
        found = run(features)
        wanted = _of_network(subject, features)
        for note, array in zip(outputs, found, strict=True):
            difference = np.abs(array - wanted[note.name])
            worst[note.name] = max(
                worst[note.name], float(np.nan_to_num(difference, nan=np.inf).max())
            )
    over = [f"{name} by {value:.1e}" for name, value in worst.items() if not value <= LIMIT]
    if over:
        raise ParityError(
            f"the exported file differs from the network: {', '.join(over)} (limit {LIMIT:g}); "
            "nothing was kept. Try the other format, and report this with the checkpoint's name"
        )
    return Parity(worst, RANDOM_BATCHES, len(real))


def random_features(inputs: Sequence[TensorNote], seed: int) -> dict[str, np.ndarray]:
    """Numbers in the ranges of real features."""
    generator = np.random.default_rng(seed)
    found = {}
    for note in inputs:
        if note.name == "camera_feature":
            array = generator.integers(0, 256, note.shape) / 255
        elif note.name == "lidar_feature":
            array = generator.integers(0, 6, note.shape) / 5
        elif note.name == "noise":
            array = generator.standard_normal(note.shape)
        else:
            array = _status(generator, note)
        found[note.name] = array.astype(np.float32)
    return found


def _status(generator: np.random.Generator, note: TensorNote) -> np.ndarray:
    rows = note.shape[0]
    command = np.eye(4)[generator.integers(0, 4, rows)]
    moving = generator.normal([8, 0, 0, 0], [5, 0.2, 1, 0.5], (rows, 4))
    parts = [moving, command] if note.name == "ego_status" else [command, moving]
    return np.concatenate(parts, axis=1)


def _batches(
    inputs: Sequence[TensorNote], real: Sequence[Features]
) -> Iterator[dict[str, np.ndarray]]:
    for seed in range(RANDOM_BATCHES):
        yield random_features(inputs, seed)
    for index, features in enumerate(real):
        yield {**random_features(inputs, RANDOM_BATCHES + index), **features}


def _of_network(subject: Subject, features: Features) -> dict[str, Any]:
    tensors = {name: torch.from_numpy(array) for name, array in features.items()}
    noise = {"noise": tensors.pop("noise")} if "noise" in tensors else {}
    with torch.no_grad():
        found = subject.network(tensors, **noise)
    return {name: tensor.numpy() for name, tensor in found.items()}
