"""Clips small enough to be worked out by hand, and policies that see nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from small_roads import parallel, straight
from torch import nn

from drivelab.planning.rad_anchors import BINS, rad_anchors
from drivelab.sim.envs.core import EnvCore, EnvOptions
from drivelab.sim.envs.vector_view import VectorView
from drivelab.sim.radlab import RULES
from drivelab.sim.world.episode import ActorSpec, Episode
from drivelab.training.rollouts.clips import DrivenClips
from drivelab.training.rollouts.worker import RolloutWorker, weights_of
from drivelab.types import EgoTrajectory, LaneMap

VALID = torch.from_numpy(rad_anchors().valid.copy())
SPEED = 5.0  # of the expert [m/s]
STRAIGHT, STEADY = 30, 10  # bins of the expert's 5 m/s straight on
START = 20.0  # rear axle of the ego at the start; its front is 4.049 m ahead of it
LEFT, MIDDLE, RIGHT = 0.0, -3.5, -7.0  # lanes; the borders lie at +1.75 and -8.75


@cache
def road() -> LaneMap:
    return parallel(200.0, lanes=3)


def clip(
    *actors: ActorSpec, y: float = MIDDLE, steps: int = 80, speed: float = SPEED, name: str = "clip"
) -> Episode:
    """The expert drives along x; the ego begins where it does."""
    seconds = 0.1 * np.arange(steps + 1)
    poses = np.column_stack([START + speed * seconds, np.full(steps + 1, y), np.zeros(steps + 1)])
    velocities = np.tile([speed, 0.0], (steps + 1, 1))
    return Episode(
        id=name,
        map=road(),
        ego_pose=poses[0],
        ego_speed=speed,
        route=(f"b0/{round(-y / 3.5)}",),
        route_line=straight((START, y), (190.0, y)),
        duration=0.1 * steps,
        actors=actors,
        expert=EgoTrajectory(
            (1e6 * seconds).astype(np.int64), poses, velocities, np.zeros((steps + 1, 2))
        ),
        termination=RULES,
    )


def thing(x: float, y: float = MIDDLE, kind: str = "vehicle", width: float = 2.0) -> ActorSpec:
    """A box 4 m long that stands."""
    return ActorSpec(f"{kind}-{x:g}", kind, (4.0, width), np.array([x, y, 0.0]))


def walled(seed: int) -> Episode:
    """A car stands across the way, farther off for later seeds."""
    return clip(thing(44.0 + 3.0 * (seed % 4)), steps=24, name=f"clip{seed}")


def deadly(seed: int, *, folder: str, fatal: int) -> Episode:
    """As `walled`, but the first to make the clip of the seed `fatal` is killed by it."""
    marker = Path(folder) / "died"
    if seed == fatal and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return walled(seed)


def gated(seed: int, *, folder: str) -> Episode:
    """As `walled`, but only once the file `go` is there."""
    Path(folder, f"asked-{os.getpid()}").touch()
    while not Path(folder, "go").exists():
        time.sleep(0.05)
    return walled(seed)


def environments_of(source: Callable[[int], Episode], environments: int) -> EnvCore:
    """Worlds of these episodes; by `partial` it can be sent to another process."""
    options = EnvOptions(episodes=source, action="rad", reward="rad")
    return EnvCore(options, environments=environments, view=VectorView())


def blind_worker(source: Callable[[int], Episode], environments: int = 2) -> RolloutWorker:
    """Drives straight on, at speeds it draws."""
    network = Blind(STRAIGHT, STEADY, sure=0.02)
    return RolloutWorker(partial(environments_of, source, environments), network, VALID, steps=24)


def cores(source: Callable[[int], Episode], environments: int = 1) -> Callable[[], EnvCore]:
    """Makes worlds of these episodes."""
    return partial(environments_of, source, environments)


class Blind(nn.Module):
    """The same distributions and values in every state."""

    def __init__(self, lateral: int, longitudinal: int, *, sure: float = 60.0, bins: int = BINS):
        super().__init__()
        places = torch.arange(bins)
        peak = lambda at: -((places - at) ** 2) * sure  # noqa: E731
        self.lateral = nn.Parameter(peak(lateral).float())
        self.longitudinal = nn.Parameter(peak(longitudinal).float())
        self.lateral_value = nn.Parameter(torch.tensor(-0.25))
        self.longitudinal_value = nn.Parameter(torch.tensor(-0.5))

    def forward(self, features: dict) -> dict:
        rows = len(features["vector"])
        return {name: value.expand(rows, *value.shape) for name, value in self.named_parameters()}


def worker_of(
    source: Callable[[int], Episode], network: nn.Module | None = None, environments: int = 1,
    **options: int,
) -> RolloutWorker:  # fmt: skip
    """With weights; without a network it keeps to the expert's bins."""
    made = RolloutWorker(
        cores(source, environments), network or Blind(STRAIGHT, STEADY), VALID, **options
    )
    made.load(0, weights_of(network or Blind(STRAIGHT, STEADY)))
    return made


def driven(episode: Episode, lateral: int = STRAIGHT, longitudinal: int = STEADY) -> DrivenClips:
    """The episode, driven by the same action throughout."""
    return worker_of(lambda seed: episode, Blind(lateral, longitudinal)).collect([0], 0).clips
