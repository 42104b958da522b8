"""What the imitation trainer has to know of an agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from drivelab.agents.learned.sight import Sight

Arrays = Mapping[str, Any]  # tensors by the names of features and targets


@dataclass(frozen=True, slots=True)
class Trainee:
    """A network to be taught; `Class.trainee(**options)` of an agent's class makes it.

    Attributes:
        name: of the agent.
        preset: of its sizes.
        network: with `loss(features, targets)`, and `forward(features)` that gives `trajectory`.
        sight: how its features are built.
        inputs: cached features, expanded and in a batch -> what the network takes.
        start: agent whose shipped weights it begins with where they fit, unless told otherwise;
            None: random ones.
        set_anchors: takes the (m, t, 2) anchors to plan from [m]; None where none are needed.
        learn_vocabulary: takes the recorded drives (n, t, 3) of all training scenes before the
            first update, to make of them what the network chooses from; None where nothing is.
    """

    name: str
    preset: str
    network: Any
    sight: Sight
    inputs: Callable[[Arrays], dict[str, Any]]
    start: str | None = None
    set_anchors: Callable[[Any], None] | None = None
    learn_vocabulary: Callable[[Any], None] | None = None
