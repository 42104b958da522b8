"""VADv2 as an agent: a distribution over a vocabulary, and what `choice` takes of it is driven.

Its weights say what it sees: three cameras and lidar, or vector observations of closed loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drivelab.agents.learned.agent import LearnedAgent
from drivelab.agents.learned.config import MINI
from drivelab.agents.learned.sight import sight_of
from drivelab.agents.learned.trainee import Trainee
from drivelab.agents.learned.weights import (
    Family,
    bundled_file,
    load_weights,
    new_network,
    preset_of,
)
from drivelab.agents.vadv2.config import VadV2Config
from drivelab.agents.vadv2.fast import FastVadV2
from drivelab.agents.vadv2.vector_agent import VectorDriver, check_vector_options, open_vector
from drivelab.agents.vadv2.vector_weights import holds_vector_vadv2
from drivelab.agents.vadv2.vocabulary import load_vocabulary
from drivelab.errors import ConfigError, nearest_name
from drivelab.types import Observation, Plan

FAMILY = Family(
    "vadv2",
    "drivelab.agents.vadv2.config:VadV2Config",
    "drivelab.agents.vadv2.policy:VadV2Network",
)
VECTOR = "vector"  # the preset of weights on vector observations


class VadV2:
    """Drives by a VADv2; plans hold the most probable entries and their probabilities.

    Args:
        preset: "mini" or "full" of those that see through sensors, or "vector"; None takes what the
            weights are of.
        checkpoint: safetensors of ours; None: those that ship, which are on vector observations.
        image_encoder: "resnet" or "vig_h"; None takes the preset's.
        planning: "probabilistic", or "deterministic" for the twin; None takes what the weights are
            of.
        entries: of the vocabulary; None takes what the weights are of.
        choice: of the distribution: "argmax", "sample", or "mean" of the most probable entry and
            its neighbours; None takes what the weights hold (new ones of "full" "argmax", of
            "mini" "mean"), and "mean" on vector observations.
        sample_seed: of "sample"; None draws another entry each time.
        vocabulary: a file of entries to be taught with; only for training.
        device: "cpu", "cuda", "cuda:N".
        precision: "fp32", or "bf16" for products.
    """

    def __init__(
        self,
        preset: str | None = None,
        checkpoint: str | None = None,
        image_encoder: str | None = None,
        planning: str | None = None,
        entries: int | None = None,
        choice: str | None = None,
        sample_seed: int | None = 0,
        vocabulary: str | None = None,
        device: str = "cpu",
        precision: str = "fp32",
    ) -> None:
        if vocabulary is not None:
            raise ConfigError(
                f"agent.vocabulary={vocabulary}: the weights hold the vocabulary that they were "
                "taught with; leave it out"
            )
        file = _vector_file(preset, checkpoint)
        own: LearnedAgent | VectorDriver
        if file is None:
            changes = _changes(image_encoder, planning, entries, choice, sample_seed)
            own = _sensor_driver(preset, checkpoint, changes, device, precision)
        else:
            check_vector_options(image_encoder=image_encoder, precision=precision)
            own = VectorDriver(
                open_vector(file, None if checkpoint else FAMILY, planning, entries),
                choice=choice or "mean", sample_seed=sample_seed, device=device,
            )  # fmt: skip
        self._driver = own
        self.rig, self.rendered_rig = own.rig, own.rendered_rig
        self.weights, self.weights_sha256 = own.weights, own.weights_sha256

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """One plan each."""
        return self._driver.act(observations)

    @classmethod
    def trainee(
        cls,
        preset: str | None = None,
        checkpoint: str | None = None,
        image_encoder: str | None = None,
        planning: str | None = None,
        entries: int | None = None,
        choice: str | None = None,
        sample_seed: int | None = 0,
        vocabulary: str | None = None,
        **options: Any,
    ) -> Trainee:
        """A network to be taught: a new one, or that of a file, which keeps its vocabulary.

        A new one takes its vocabulary from a file, or from the training scenes. The small one
        begins with the eyes of the TransFuser that ships.
        """
        if checkpoint is not None and holds_vector_vadv2(checkpoint):
            raise ConfigError(
                f"agent.checkpoint={checkpoint}: its network sees vector observations, not what is "
                f"taught here; go on with 'drivelab train recipe=vadv2 start={checkpoint}'"
            )
        changes = _changes(image_encoder, planning, entries, choice, sample_seed)
        network = new_network(FAMILY, preset=preset, checkpoint=checkpoint, changes=changes)
        _check_frames(network.config.frames)
        learn = None
        if network.config.planning == "probabilistic" and checkpoint is None:
            learn = network._planning_head.learn_vocabulary
        if vocabulary is not None:
            _take_vocabulary(network, vocabulary, new=learn is not None)
            learn = None
        small = all(getattr(network.config, name) == size for name, size in MINI.items())
        begins = small and checkpoint is None and network.config.image_encoder == "resnet"
        return Trainee(
            FAMILY.name, preset_of(FAMILY, network.config), network, sight_of(network.config),
            dict, start="transfuser" if begins else None, learn_vocabulary=learn,
        )  # fmt: skip


def _sensor_driver(
    preset: str | None, checkpoint: str | None, changes: dict[str, Any], device: str, precision: str
) -> LearnedAgent:
    loaded = load_weights(FAMILY, preset=preset, checkpoint=checkpoint, changes=changes)
    _check_frames(loaded.network.config.frames)
    return LearnedAgent(
        loaded, sight_of(loaded.network.config), faster=FastVadV2, device=device,
        precision=precision,
    )  # fmt: skip


def _vector_file(preset: str | None, checkpoint: str | None) -> Path | None:
    """The weights on vector observations that are asked for; None: those of the sensors are.

    Raises:
        ConfigError: there is no such preset, or it is not of what the file holds.
    """
    known = (VECTOR, *VadV2Config.presets())
    if preset is not None and preset not in known:
        raise ConfigError(
            f"agent.preset={preset}: expected one of {', '.join(known)}, or null"
            f"{nearest_name(str(preset), known)}"
        )
    if checkpoint is not None:
        found = holds_vector_vadv2(checkpoint)
        if found and preset not in (None, VECTOR):
            raise ConfigError(
                f"agent.preset={preset}: {checkpoint} is of a network on vector observations; "
                "leave agent.preset out, the file says its own sizes"
            )
        return Path(checkpoint) if found or preset == VECTOR else None
    return bundled_file(FAMILY, VECTOR) if preset in (None, VECTOR) else None


def _take_vocabulary(network: Any, file: str, *, new: bool) -> None:
    import torch

    if not new:
        raise ConfigError(
            f"agent.vocabulary={file}: agent.planning=deterministic needs none, and the weights of "
            "agent.checkpoint bring their own; leave it out"
        )
    network._planning_head.set_vocabulary(torch.from_numpy(load_vocabulary(Path(file))).float())


def _check_frames(frames: int) -> None:
    if frames > 1:
        raise ConfigError(
            f"a network of frames={frames}: agent and trainer see single frames; use its `stream` "
            "and `loss(memory=)` from Python, or frames=1"
        )


def _changes(
    image_encoder: str | None, planning: str | None, entries: int | None, choice: str | None,
    sample_seed: int | None,
) -> dict[str, Any]:  # fmt: skip
    """What differs from the preset or the file: None leaves it, but for the seed."""
    asked = {
        "image_encoder": image_encoder, "planning": planning, "entries": entries, "choice": choice,
    }  # fmt: skip
    given = {name: value for name, value in asked.items() if value is not None}
    return {**given, "sample_seed": sample_seed}
