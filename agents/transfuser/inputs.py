"""What a driving network is given, checked before it runs: a NaN would spread to every pose."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from drivelab.errors import DataError

COMMANDS = 4  # left, straight, right, unknown
STATUS = COMMANDS + 4  # and velocity and acceleration


def check_features(features: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise DataError unless each named tensor is there, of its shape after the batch, and finite.

    Only the small tensors are looked through for NaN (those of one dimension after the batch):
    images and histograms are made from whole numbers.
    """
    sizes = {}
    for name, shape in shapes.items():
        if name not in features:
            raise DataError(
                f"no feature {name!r}; the network needs: {', '.join(shapes)}", where="features"
            )
        given = tuple(features[name].shape)
        if given[1:] != shape:
            told = ", ".join(str(size) for size in shape)
            raise DataError(
                f"shape {given}, expected (batch, {told}); build the features with the "
                "configuration of the checkpoint",
                where=f"features[{name!r}]",
            )
        sizes[name] = given[0]
        if len(shape) == 1:
            _check_finite(name, features[name])
    if len(set(sizes.values())) > 1:
        raise DataError(f"batches of different sizes: {sizes}", where="features")


def _check_finite(name: str, values: Tensor) -> None:
    broken = (~torch.isfinite(values)).nonzero()
    if len(broken):
        row, column = (int(index) for index in broken[0])
        raise DataError(
            f"{len(broken)} values are not finite, the first {float(values[row, column])} in row "
            f"{row}, column {column}; the ego status of this scene is damaged, leave it out",
            where=f"features[{name!r}]",
        )
