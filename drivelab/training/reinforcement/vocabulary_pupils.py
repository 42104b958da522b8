"""Two kinds of policy taught by one expert: entries of a vocabulary as actions, and their twin.

Both learn where the recorded ego went, from states that a coarse vocabulary led to: the policy by a
distribution that falls off around it, the twin by regressing one plan. Where nothing is drawn, both
drive by a plan that the tracker follows for 0.1 s; the policy's is `neighbours_mean`, moved by its
shift. To be reinforced it draws among the likeliest entries. The twin has none to draw, so that
there is nothing for reinforcement to make more or less likely.

Entries are drives from a point of the path, and so begin where the ego is. Off the path none of
them leads back at once, however many there are: the shift is what they lack, the same for all of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.vadv2.choice import neighbours_mean, shifted_by
from drivelab.agents.vadv2.config import SPREAD
from drivelab.agents.vadv2.likeliest import LikeliestVadV2
from drivelab.agents.vadv2.losses import (
    distances,
    distribution_loss,
    drawn_entries,
    taught_distribution,
    taught_spread,
)
from drivelab.agents.vadv2.vector_twin import VectorTwin, plan_losses
from drivelab.agents.vadv2.vector_weights import open_vector_vadv2, save_vector_vadv2
from drivelab.agents.vadv2.vocabulary import spacing
from drivelab.sim.envs.actions import TrajectoryActions
from drivelab.training.reinforcement.imitation import Network
from drivelab.training.reinforcement.pupil import Pupil
from drivelab.training.rollouts.record_expert import CoarseExpert
from drivelab.training.trials import Act

SAMPLED = 256  # entries that teach a decision in one update
DRAWN = 32  # likeliest entries that reinforcement draws from
Plans = Callable[[Mapping[str, Tensor]], Float[Tensor, "b t 3"]]  # of a network's outputs


def vocabulary_pupil(
    entries: Float[np.ndarray, "k t 3"],
    driven: Float[np.ndarray, "d t 3"],
    dt: float,
    *,
    sampled: int = SAMPLED,
    drawn: int = DRAWN,
) -> Pupil:
    """VADv2: one axis, entries of a vocabulary; the other one has a single bin.

    Args:
        entries: of the policy.
        driven: those that its expert drives by.
        dt: between poses [s].
        sampled: entries that teach a decision in one update of imitation.
        drawn: likeliest entries that reinforcement draws from.
    """
    poses, given = entries.shape[1], torch.from_numpy(entries).float()
    plans = TrajectoryActions(poses, dt)
    return Pupil(
        plans,
        torch.ones(min(drawn, len(entries)), 1, dtype=torch.bool),
        CoarseExpert(driven, dt),
        partial(LikeliestVadV2, drawn=drawn),
        save_vector_vadv2,
        open_vector_vadv2,
        partial(planned, actions=plans, plans=partial(_mean_of, entries=given)),
        imitation=partial(
            towards_drive,
            entries=given,
            spread=taught_spread(SPREAD, spacing(entries)),
            sampled=sampled,
        ),
    )


def twin_pupil(driven: Float[np.ndarray, "d t 3"], dt: float) -> Pupil:
    """The deterministic twin of a vocabulary's policy; `driven` as there."""
    actions = TrajectoryActions(driven.shape[1], dt)
    return Pupil(
        actions,
        None,
        CoarseExpert(driven, dt),
        VectorTwin,
        save_vector_vadv2,
        open_vector_vadv2,
        partial(planned, actions=actions, plans=_regressed),
        imitation=towards_plan,
    )


def towards_drive(
    network: Network,
    features: Mapping[str, Tensor],
    taught: Mapping[str, Tensor],
    valid: Tensor | None,
    entries: Float[Tensor, "k t 3"],
    spread: float,
    sampled: int = SAMPLED,
) -> dict[str, Tensor]:
    """Towards entries near where the expert went, all of which may be taken, and of their shift.

    `distribution_loss`, and of a network with a shift `shift_loss`: `plan_losses` of what it would
    drive. This does not teach the distribution: the shift learns what the entries leave.

    Args:
        network: a `VectorVadV2`.
        features: of it.
        taught: `trajectory` (b, t, 3).
        valid: not used.
        entries: of the vocabulary.
        spread: over which distance the taught distribution falls to 1/e [m].
        sampled: entries that teach a decision, the nearest among them, see `drawn_entries`.
    """
    went = taught["trajectory"]
    apart = distances(entries.to(went).expand(len(went), -1, -1, -1), went)
    if sampled < len(entries):
        chosen = drawn_entries(apart.argmin(-1), len(entries), sampled)
        features, apart = {**features, "entries": chosen}, apart.gather(1, chosen)
    wanted = taught_distribution(apart, torch.zeros_like(apart, dtype=torch.bool), spread=spread)
    outputs = network(features)
    loss = distribution_loss(outputs["longitudinal"], wanted)
    if "shift" not in outputs:
        return {"loss": loss}
    chosen = features.get("entries")
    plans = _mean_of(outputs, entries if chosen is None else entries.to(went)[chosen])
    shift = plan_losses({"trajectory": plans}, went)["loss"]
    return {"loss": loss + shift, "distribution_loss": loss, "shift_loss": shift}


def towards_plan(
    network: Network,
    features: Mapping[str, Tensor],
    taught: Mapping[str, Tensor],
    valid: Tensor | None,
) -> dict[str, Tensor]:
    """`plan_losses` towards where the expert went; there is no mask."""
    return plan_losses(network(features), taught["trajectory"])


def planned(network: nn.Module, actions: TrajectoryActions, plans: Plans) -> Act:
    """The plans of a network, kept within what the environment takes for one."""
    space = actions.space

    def act(observations: np.ndarray) -> np.ndarray:
        device = next(network.parameters()).device  # a look drives with the learner's own
        with torch.inference_mode():
            found = plans(network({"vector": torch.from_numpy(observations).to(device)}))
        return np.clip(found.cpu().numpy(), space.low, space.high)

    return act


def _mean_of(
    outputs: Mapping[str, Tensor], entries: Float[Tensor, "k t 3"] | Float[Tensor, "b k t 3"]
) -> Float[Tensor, "b t 3"]:
    scores = outputs["longitudinal"].detach()
    return shifted_by(neighbours_mean(scores, entries.to(scores)), outputs.get("shift"))


def _regressed(outputs: Mapping[str, Tensor]) -> Float[Tensor, "b t 3"]:
    return outputs["trajectory"]
