"""Vector observations of a batch, for networks that see the scene as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from drivelab.errors import DataError
from drivelab.types import Observation


def vectors_of(observations: Sequence[Observation]) -> Float32[np.ndarray, "b f"]:
    """The numbers of each observation, in the layout of `drivelab/Native-v0`.

    Raises:
        DataError: an observation has none.
    """
    rows = []
    for observation in observations:
        if observation.vector is None:
            raise DataError(
                "the observation has no `vector`: only closed loops of the native world hand it "
                "out; drive with bench=rad, nuplan_closed_loop or scenarios",
                where=f"scene {observation.scene_id}",
            )
        rows.append(observation.vector)
    return np.stack(rows)
