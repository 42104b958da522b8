"""Which networks can be exported, and what a user of the file has to know of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivelab.agents.learned.weights import load_weights
from drivelab.errors import ConfigError, nearest_name
from drivelab.registry import load_object


@dataclass(frozen=True, slots=True)
class TensorNote:
    """What a user of the file has to know of an input or output."""

    name: str
    shape: tuple[int, ...]
    unit: str
    frame: str
    what: str


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A network with its weights, ready for inference, and where those are from."""

    agent: str
    network: Any
    weights: str  # name of their file
    sha256: str


FAMILIES = {  # of networks, each in its agent's module
    name: f"drivelab.agents.{name}.agent:FAMILY"
    for name in ("diffusiondrive", "transfuser", "ego_mlp")
}


def load_subject(agent: str, *, checkpoint: Path | None, preset: str | None) -> Subject:
    """The network of a file, or of the weights that ship.

    Args:
        agent: one of `FAMILIES`.
        checkpoint: a published Lightning checkpoint or safetensors of ours; None: those that ship.
        preset: mini or full; None takes what the file says, and full where it says nothing.

    Raises:
        ConfigError: no such agent or preset, a network that cannot be exported, or no weights.
        DataError: the file cannot be read or does not fit.
    """
    if agent not in FAMILIES:
        raise ConfigError(
            f"agent={agent}: no network to export{nearest_name(agent, FAMILIES)} (there are: "
            f"{', '.join(FAMILIES)})"
        )
    loaded = load_weights(
        load_object(FAMILIES[agent]),
        preset=preset,
        checkpoint=None if checkpoint is None else str(checkpoint),
        changes={},
    )
    encoder = getattr(loaded.network.config, "image_encoder", "resnet")
    if encoder != "resnet":
        raise ConfigError(
            f"image_encoder={encoder} runs on drivelab's own kernels, which no other program "
            "knows; export a network with image_encoder=resnet"
        )
    name = f"{agent}, the weights that ship" if checkpoint is None else checkpoint.name
    return Subject(agent, loaded.network, name, loaded.sha256)


def inputs_of(subject: Subject, batch: int) -> tuple[TensorNote, ...]:
    """Inputs in order."""
    config = subject.network.config
    if subject.agent == "ego_mlp":
        what = "velocity x, y, acceleration x, y, command one-hot (left, straight, right, unknown)"
        return (TensorNote("ego_status", (batch, 8), "m/s, m/s^2", "ego", what),)
    camera = "left, front and right image side by side, RGB divided by 255; rows, columns"
    lidar = (
        f"echoes above ground by cell, at most 5, divided by 5; {2 * config.lidar_range:g} m "
        "square about the ego, rows grow forward, columns to the left"
    )
    status = "command one-hot (left, straight, right, unknown), velocity x, y, acceleration x, y"
    notes = [TensorNote("camera_feature", (batch, 3, *config.camera), "0..1", "image", camera)]
    if not config.latent:
        notes.append(TensorNote("lidar_feature", (batch, 1, *config.lidar), "0..1", "ego", lidar))
    notes.append(TensorNote("status_feature", (batch, 8), "m/s, m/s^2", "ego", status))
    if subject.agent == "diffusiondrive":
        shape = (batch, config.modes, config.poses, 2)
        what = (
            f"normal with standard deviation {config.noise_deviation:g}; noise_default of this "
            "file is what the agent uses in every scene"
        )
        notes.append(TensorNote("noise", shape, "1", "normalised", what))
    return tuple(notes)


def outputs_of(subject: Subject, batch: int) -> tuple[TensorNote, ...]:
    """Outputs in order."""
    config = subject.network.config
    when = f"x, y, heading at {config.dt:g} s, {2 * config.dt:g} s, ... of the rear axle"
    shape = (batch, config.poses, 3)
    notes = [TensorNote("trajectory", shape, "m, m, rad", "ego, x forward, y left", when)]
    if subject.agent == "diffusiondrive":
        modes = (batch, config.modes, config.poses, 3)
        told = f"all plans: {when}"
        notes.append(TensorNote("modes", modes, "m, m, rad", "ego, x forward, y left", told))
        told = "logit of each mode; trajectory is the mode with the highest"
        notes.append(TensorNote("mode_scores", (batch, config.modes), "logit", "none", told))
    return tuple(notes)
