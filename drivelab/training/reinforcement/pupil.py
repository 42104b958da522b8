"""What the loop of reinforcement learning has to know of a policy beside its network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from drivelab.agents.rad.policy import RadNetwork
from drivelab.agents.rad.weights import open_rad, save_rad
from drivelab.planning.rad_anchors import rad_anchors
from drivelab.sim.envs.actions import ActionKind
from drivelab.training.reinforcement.imitation import Imitation
from drivelab.training.reinforcement.judge import greedy
from drivelab.training.rollouts.demonstrations import ExpertDriver
from drivelab.training.rollouts.runner import Decider
from drivelab.training.trials import Act


@dataclass(frozen=True, slots=True, eq=False)
class Pupil:
    """A kind of policy.

    Attributes:
        action: how the environment understands its actions, its expert's and those of `act`.
        valid: which of them may be taken, [longitudinal, lateral]; None: they have no bins.
        expert: drives the clips that are imitated by the same actions.
        make: configuration -> a network, in whichever process drives.
        save: network, file, notes= -> weights on disk.
        open: file -> network.
        act: network -> what it does without drawing, as it is judged.
        imitation: what rounds of imitation minimise; None: the losses towards the expert's bins.
        vocabulary: of its or its expert's actions, kept in the run's folder; None: there is none.
    """

    action: ActionKind | str
    valid: Bool[Tensor, "m n"] | None
    expert: Decider
    make: Callable[[Any], nn.Module]
    save: Callable[..., None]
    open: Callable[[Any], nn.Module]
    act: Callable[[nn.Module], Act]
    imitation: Imitation | None = None
    vocabulary: Float[np.ndarray, "k t 3"] | None = None


def rad_pupil() -> Pupil:
    """RAD: 61 x 61 pieces of motion."""
    anchors = rad_anchors()
    valid = torch.from_numpy(anchors.valid.copy())
    return Pupil(
        "rad",
        valid,
        ExpertDriver(anchors),
        RadNetwork,
        save_rad,
        open_rad,
        partial(greedy, valid=valid),
    )
