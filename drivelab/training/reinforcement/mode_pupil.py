"""DiffusionDrive under the learner: one of its plans is the action.

Its weights are kept as those of `agent=diffusiondrive`, which drives them like any others; the head
of the value stays in the run's checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from drivelab.agents.diffusiondrive.agent import FAMILY
from drivelab.agents.diffusiondrive.config import DiffusionDriveConfig
from drivelab.agents.diffusiondrive.mode_policy import (
    ModePolicy,
    ModePolicyConfig,
    towards_modes,
)
from drivelab.agents.diffusiondrive.policy import DiffusionDriveNetwork
from drivelab.agents.learned.checkpoint import save_network
from drivelab.agents.learned.weights import load_weights
from drivelab.sim.envs.actions import TrajectoryActions
from drivelab.training.reinforcement.imitation import Network
from drivelab.training.reinforcement.pupil import Pupil
from drivelab.training.rollouts.record_expert import RecordExpert
from drivelab.training.rollouts.worker import PolicyDriver
from drivelab.training.trials import ActByName


def mode_pupil(policy: ModePolicy, preset: str | None = None) -> Pupil:
    """The modes of a network, whose anchors stay as they are.

    Args:
        policy: with the network.
        preset: of files that do not say their sizes themselves.
    """
    config, anchors = policy.config, policy.anchors.detach().cpu()
    actions = TrajectoryActions(config.network.poses, config.network.dt)
    valid = torch.ones(config.network.modes, 1, dtype=torch.bool)
    return Pupil(
        actions,
        valid,
        RecordExpert(anchors.double().numpy(), config.network.dt),
        ModePolicy,
        save_planner,
        partial(open_planner, temperature=config.temperature, preset=preset),
        partial(best_plans, valid=valid, actions=actions),  # type: ignore[arg-type]
        imitation=partial(_imitation, anchors=anchors, config=config.network),
    )


def save_planner(
    policy: ModePolicy, path: str | Path, *, notes: Mapping[str, str] | None = None
) -> None:
    """Write the network as `agent=diffusiondrive` takes it."""
    save_network(policy.network, path, notes=notes)


def open_planner(
    path: str | Path | None, *, temperature: float, preset: str | None = None
) -> ModePolicy:
    """The network of a file of weights, or of those that ship, with a new head for values.

    Raises:
        ConfigError: no weights ship for the preset, or the file's are of another one.
        DataError: the file is of another network, or cannot be read.
    """
    file = None if path is None else str(path)
    return policy_of(
        load_weights(FAMILY, preset=preset, checkpoint=file, changes={}).network, temperature
    )


def policy_of(network: DiffusionDriveNetwork, temperature: float) -> ModePolicy:
    """A network with a new head for values; its noise is the same each time."""
    config = network.config
    if config.noise_seed is None:
        config = replace(config, noise_seed=0)
    policy = ModePolicy(ModePolicyConfig(config, temperature))
    policy.network.load_state_dict(network.state_dict())
    return policy


def best_plans(
    policy: ModePolicy, valid: Bool[Tensor, "m n"], actions: TrajectoryActions
) -> ActByName:
    """The plan with the highest score, kept within what the environment takes for one."""
    driver, space = PolicyDriver(policy, valid), actions.space

    def act(seen: Mapping[str, np.ndarray]) -> np.ndarray:
        plans = driver.decide(seen).actions
        assert plans is not None
        return np.clip(plans, space.low, space.high)

    return act


def _imitation(
    network: Network,
    features: Mapping[str, Tensor],
    taught: Mapping[str, Tensor],
    valid: Tensor | None,
    anchors: Tensor,
    config: DiffusionDriveConfig,
) -> dict[str, Tensor]:
    return towards_modes(network(features), taught["trajectory"], anchors, config)
