"""A learner small enough for tests: settings, a network of a few weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rad_clips import VALID, Blind

from drivelab.agents.rad import RadConfig
from drivelab.training.reinforcement.learner import Learner
from drivelab.training.reinforcement.settings import ReinforcementSettings

TINY = RadConfig(width=8, hidden=8, layers=1, heads=2, value_width=8)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Several threads on such small networks mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def settings_of(folder: Path, **changes) -> ReinforcementSettings:
    """Two clips a round, updates of a few decisions."""
    small = {
        "clips": 4, "validation": 2, "environments": 2, "pretraining": 1, "rounds": 6,
        "updates": 2, "later_updates": 2, "imitation_batch": 16, "harvest": 2, "window": 3,
        "batch": 16, "passes": 1, "look_every": 100, "save_every": 2, "rate": 1e-3,
    }  # fmt: skip
    return ReinforcementSettings(folder=folder, **{**small, **changes})


def learner_of(folder: Path, network=None, **changes) -> Learner:
    """Of the network; without one, of a policy that sees nothing."""
    return Learner(
        network or Blind(30, 10, sure=0.02), VALID, settings=settings_of(folder, **changes)
    )
