"""Pictures of an agent's observations as its network was taught by: with what was seen before."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from jaxtyping import UInt8

from drivelab.agents.rad.sight import AGO, CHANNELS, brightness
from drivelab.errors import DataError
from drivelab.types import Observation

STEP = 100_000  # of the environment that the network learnt in [us]
SCENES = 256  # that are remembered at once


class RememberedPictures:
    """Remembers the brightness of each scene's latest pictures.

    Args:
        cameras: in the order in which the network takes them.
        pixels: width and height of their pictures.
        rig: whose pictures they are, for messages.
    """

    def __init__(self, cameras: tuple[str, ...], pixels: tuple[int, int], rig: str) -> None:
        self._cameras, self._pixels, self._rig = cameras, pixels, rig
        self._kept: OrderedDict[str, list[tuple[int, np.ndarray]]] = OrderedDict()

    def forget(self) -> None:
        """Whatever was seen: other episodes begin."""
        self._kept.clear()

    def of(self, observation: Observation) -> UInt8[np.ndarray, "c h w 4"]:
        """What its cameras see, beside the brightness of the oldest picture of the last 0.3 s.

        Raises:
            DataError: a camera is missing, or its picture has another size.
        """
        width, height = self._pixels
        seen = np.empty((len(self._cameras), height, width, CHANNELS), np.uint8)
        for n, name in enumerate(self._cameras):
            seen[n, ..., :3] = self._picture(observation, name)
        kept = self._kept.pop(observation.scene_id, [])
        since = observation.time - AGO * STEP - STEP // 2
        kept = [one for one in kept if since <= one[0] < observation.time]
        kept.append((observation.time, brightness(seen[..., :3])))
        self._kept[observation.scene_id] = kept
        if len(self._kept) > SCENES:
            self._kept.popitem(last=False)
        seen[..., 3] = kept[0][1]
        return seen

    def _picture(self, observation: Observation, name: str) -> np.ndarray:
        where = f"scene {observation.scene_id}"
        if not observation.images.get(name):
            raise DataError(
                f"no picture of camera {name}; there are: {', '.join(observation.images) or 'none'}"
                f". These weights need {', '.join(self._cameras)}: drive with bench=rad, "
                f"nuplan_closed_loop or scenarios, where bench.rig=auto draws the rig {self._rig}",
                where=where,
            )
        image, (width, height) = np.asarray(observation.images[name][-1].image), self._pixels
        if image.shape != (height, width, 3) or image.dtype != np.uint8:
            shown = " x ".join(str(size) for size in image.shape[1::-1])
            raise DataError(
                f"camera {name} delivers {shown} px of {image.dtype}, the weights expect {width} x "
                f"{height} px of uint8 RGB; choose the rig they were taught with "
                f"(bench.rig={self._rig}, bench.scale as pictures.scale was)",
                where=where,
            )
        return image
