"""RAD as an agent: the most likely action of each axis, 0.5 s of motion ten times a second.

A plan is the anchor itself, so `controller=perfect` drives its first 0.1 s as the environment does
that the policy learns in; a tracker drives close to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from drivelab.agents.learned.driver import check_device
from drivelab.agents.learned.vectors import vectors_of
from drivelab.agents.learned.weights import Family, Loaded, load_weights
from drivelab.agents.rad.actions import choose
from drivelab.agents.rad.remembered import RememberedPictures
from drivelab.agents.rad.sight import PICTURES
from drivelab.agents.rad.vector_encoder import KEY
from drivelab.errors import ConfigError, DataError
from drivelab.planning.rad_anchors import BINS, rad_anchors
from drivelab.types import Observation, Plan, Privilege, SensorRig

FAMILY = Family(
    "rad",
    "drivelab.agents.rad.config:RadConfig",
    "drivelab.agents.rad.policy:RadNetwork",
    taught="recipe=rad",
)
DT = 0.1  # between the poses of an anchor [s]
SHIPPED = {"vector": "mini", "images": "images"}  # the files that ship, by what their network sees


class Rad:
    """Drives by a RAD network on vector observations, or on pictures: its weights say which.

    Vector observations hold the map and the boxes. A network on pictures reads of them the ego's
    motion and its route alone; it is told more than it looks at, so that its privilege is the same.
    Plans are the 5 poses of the action taken, 0.1 s apart; their notes hold its probability by axis
    and the two values of the state.

    Args:
        checkpoint: safetensors of ours, such as best.safetensors of a run; None: those that ship.
        obs: "vector" or "images", of the weights that ship (None: "vector"); a file says it itself.
        device: "cpu", "cuda", "cuda:N".

    Raises:
        ConfigError: no weights ship, the file's network sees something else, or no such device.
        DataError: the file cannot be read, holds another network, or other actions than 61 x 61.
    """

    controller = "perfect"  # an action is a step of SE(2), as in the released environment

    def __init__(
        self, checkpoint: str | None = None, obs: str | None = None, device: str = "cpu"
    ) -> None:
        import torch

        loaded = _load(checkpoint, obs)
        bins = loaded.network.config.bins
        if bins != BINS:
            raise DataError(
                f"its network has {bins} actions an axis, the anchors are {BINS} x {BINS}; take "
                f"weights of RadConfig(bins={BINS})",
                file=checkpoint,
            )
        self.rig = SensorRig(history=1, vector=True, privilege=Privilege.STATE)
        self.rendered_rig: str | None = None
        self._pictures: RememberedPictures | None = None
        config = loaded.network.config
        if config.encoder == "image":
            self.rendered_rig = config.rig
            self.rig = replace(self.rig, cameras=config.cameras, pixels=config.pixels)
            self._pictures = RememberedPictures(config.cameras, config.pixels, config.rig)
        self.weights, self.weights_sha256 = loaded.told, loaded.sha256
        self._device = check_device(device)
        self._network = loaded.network.requires_grad_(False).to(self._device)
        self._anchors = rad_anchors()
        self._valid = torch.from_numpy(self._anchors.valid.copy()).to(self._device)

    def reset(self, scene_ids: Sequence[str], *, seed: int) -> None:
        """Episodes begin: of pictures nothing is remembered."""
        if self._pictures is not None:
            self._pictures.forget()

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """One plan each.

        Raises:
            DataError: an observation without its numbers or pictures, or a network that has
                diverged.
        """
        import torch

        if not observations:
            return []
        rows = {KEY: vectors_of(observations)}
        if self._pictures is not None:
            rows[PICTURES] = np.stack([self._pictures.of(seen) for seen in observations])
        with torch.inference_mode():
            given = {name: torch.from_numpy(v).to(self._device) for name, v in rows.items()}
            outputs = self._network(given)
            choice = choose(outputs, self._valid)
        lateral, longitudinal = choice.bins.cpu().numpy().T
        poses = self._anchors.poses[longitudinal, lateral, 1:]
        told = {
            "lateral_probability": choice.lateral_log_prob.exp(),
            "longitudinal_probability": choice.longitudinal_log_prob.exp(),
            "lateral_value": outputs["lateral_value"],
            "longitudinal_value": outputs["longitudinal_value"],
        }
        notes = {name: values.double().cpu().numpy() for name, values in told.items()}
        return [
            Plan(plan.copy(), DT, notes={name: float(values[k]) for name, values in notes.items()})
            for k, plan in enumerate(poses)
        ]


def _load(checkpoint: str | None, obs: str | None) -> Loaded:
    """The network of a file, or the one that ships for what is to be seen."""
    if obs is not None and (not isinstance(obs, str) or obs not in SHIPPED):
        raise ConfigError(f"agent.obs={obs}: expected one of {', '.join(SHIPPED)}, or null")
    loaded = load_weights(
        FAMILY, preset=None, checkpoint=checkpoint, changes={}, bundled=SHIPPED[obs or "vector"]
    )
    sees = "images" if loaded.network.config.encoder == "image" else "vector"
    if obs not in (None, sees):
        raise ConfigError(
            f"agent.obs={obs}: the network of {checkpoint} sees {sees}; leave agent.obs out, the "
            "file says it"
        )
    return loaded
