"""What the loop of reinforcement learning has to know of a policy beside its network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from drivelab.agents.rad.policy import RadNetwork
from drivelab.agents.rad.weights import open_rad, save_rad
from drivelab.agents.vadv2.vector_policy import VectorVadV2
from drivelab.agents.vadv2.vector_weights import open_vector_vadv2, save_vector_vadv2
from drivelab.planning.rad_anchors import rad_anchors
from drivelab.sim.envs.actions import ActionKind
from drivelab.sim.envs.vocabulary_actions import VocabularyActions
from drivelab.training.rollouts.demonstrations import ExpertDriver
from drivelab.training.rollouts.runner import Decider
from drivelab.training.rollouts.vocabulary_expert import VocabularyExpert


@dataclass(frozen=True, slots=True, eq=False)
class Pupil:
    """A kind of policy.

    Attributes:
        action: how the environment understands its actions.
        valid: which of them may be taken, [longitudinal, lateral].
        expert: drives the clips that are imitated by the same actions.
        make: configuration -> a network, in whichever process drives.
        save: network, file, notes= -> weights on disk.
        open: file -> network.
    """

    action: ActionKind | str
    valid: Bool[Tensor, "m n"]
    expert: Decider
    make: Callable[[Any], nn.Module]
    save: Callable[..., None]
    open: Callable[[Any], nn.Module]


def rad_pupil() -> Pupil:
    """RAD: 61 x 61 pieces of motion."""
    anchors = rad_anchors()
    valid = torch.from_numpy(anchors.valid.copy())
    return Pupil("rad", valid, ExpertDriver(anchors), RadNetwork, save_rad, open_rad)


def vocabulary_pupil(entries: Float[np.ndarray, "k t 3"], dt: float) -> Pupil:
    """VADv2: one axis, the entries of a vocabulary; the other one has a single bin."""
    return Pupil(
        VocabularyActions(entries, dt),
        torch.ones(len(entries), 1, dtype=torch.bool),
        VocabularyExpert(entries, dt),
        VectorVadV2,
        save_vector_vadv2,
        open_vector_vadv2,
    )
