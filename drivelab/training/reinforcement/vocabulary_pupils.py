"""Two kinds of policy taught by one expert: entries of a vocabulary as actions, and their twin.

The twin's network regresses one plan, so that it has no actions to draw and nothing for
reinforcement to make more or less likely. It is driven as an entry is: the tracker follows its plan
for 0.1 s. Its expert drives by the entries too, so that both see the same states; it is taught
where the recorded ego went from there, not the entry that comes nearest.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.vadv2.vector_policy import VectorVadV2
from drivelab.agents.vadv2.vector_twin import VectorTwin, plan_losses
from drivelab.agents.vadv2.vector_weights import open_vector_vadv2, save_vector_vadv2
from drivelab.sim.envs.actions import TrajectoryActions
from drivelab.sim.envs.vocabulary_actions import VocabularyActions
from drivelab.training.reinforcement.judge import greedy
from drivelab.training.reinforcement.pupil import Pupil
from drivelab.training.rollouts.vocabulary_expert import VocabularyExpert
from drivelab.training.trials import Act


def vocabulary_pupil(entries: Float[np.ndarray, "k t 3"], dt: float) -> Pupil:
    """VADv2: one axis, the entries of a vocabulary; the other one has a single bin."""
    valid = torch.ones(len(entries), 1, dtype=torch.bool)
    return Pupil(
        VocabularyActions(entries, dt),
        valid,
        VocabularyExpert(entries, dt),
        VectorVadV2,
        save_vector_vadv2,
        open_vector_vadv2,
        partial(greedy, valid=valid),
        vocabulary=entries,
    )


def twin_pupil(entries: Float[np.ndarray, "k t 3"], dt: float) -> Pupil:
    """The deterministic twin of a vocabulary's policy."""
    actions = TrajectoryActions(entries.shape[1], dt)
    return Pupil(
        actions,
        None,
        VocabularyExpert(entries, dt),
        VectorTwin,
        save_vector_vadv2,
        open_vector_vadv2,
        partial(planned, actions=actions),
        imitation=towards_plan,
        expert_action=VocabularyActions(entries, dt),
        vocabulary=entries,
    )


def towards_plan(
    outputs: Mapping[str, Tensor], taught: Mapping[str, Tensor], valid: Tensor | None
) -> dict[str, Tensor]:
    """`plan_losses` towards where the expert went; there is no mask."""
    return plan_losses(outputs, taught["trajectory"])


def planned(network: nn.Module, actions: TrajectoryActions) -> Act:
    """The regressed plan, kept within what the environment takes for one."""
    space = actions.space

    def act(observations: np.ndarray) -> np.ndarray:
        device = next(network.parameters()).device  # a look drives with the learner's own
        with torch.inference_mode():
            found = network({"vector": torch.from_numpy(observations).to(device)})
        return np.clip(found["trajectory"].cpu().numpy(), space.low, space.high)

    return act
