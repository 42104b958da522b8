"""PPO of Stable-Baselines3 on the batched native world (extra `rl`).

Proximal Policy Optimization, arXiv 1707.06347. The flat vector observation is scaled to about
[-1, 1] already and goes through `RoadUserNet`. The learning rate falls to 0 with the budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivelab.errors import ConfigError, MissingExtra
from drivelab.sim.envs.core import EnvOptions
from drivelab.training.budget import Budget
from drivelab.training.checkpoint import load_facts, load_weights, save_checkpoint
from drivelab.training.run_folder import BEST, CHECKPOINT, add_progress
from drivelab.training.settings import Say, TrainSettings
from drivelab.training.trials import Act, run_trials

try:
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
except ModuleNotFoundError as error:
    raise MissingExtra(str(error.name), extra="rl") from error

from drivelab.sim.envs.sb3 import NativeVecEnv
from drivelab.training.road_user_net import RoadUserNet

# option -> which numbers it may be, and how that is said
_POSITIVE = (lambda value: value > 0, "a number above 0")
_COUNT = (lambda value: value >= 1, "1 or more")
_SHARE = (lambda value: 0 <= value <= 1, "0 to 1")
_RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "n_envs": _COUNT,
    "n_steps": _COUNT,
    "batch": (lambda value: value >= 2, "2 or more"),
    "epochs": _COUNT,
    "learning_rate": _POSITIVE,
    "gamma": _SHARE,
    "gae_lambda": _SHARE,
    "clip": _POSITIVE,
    "entropy": (lambda value: value >= 0, "0 or more"),
}
FOREVER = 10**12  # steps: the budget ends the loop
VALIDATION_SEED = 1_000_000_007  # validation episodes have seeds from here on


@dataclass(frozen=True, slots=True)
class SB3PPO:
    """Options of the algorithm.

    Attributes:
        n_envs: episodes side by side.
        n_steps: of each between two updates.
        batch: samples of one gradient step.
        epochs: passes over what was collected.
        learning_rate: at the start.
        gamma: discount per step of 0.1 s.
        gae_lambda: of the advantage estimate.
        clip: of the probability ratio.
        entropy: weight of the entropy bonus.
        hidden: widths of the two networks' layers.
        log_std: initial log standard deviation of the actions.
    """

    n_envs: int = 64
    n_steps: int = 64
    batch: int = 1024
    epochs: int = 6
    learning_rate: float = 5e-4
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy: float = 0.0
    hidden: tuple[int, ...] = (128, 128)
    log_std: float = -0.7

    def __post_init__(self) -> None:
        _check_numbers(self)
        if self.n_envs * self.n_steps < self.batch:
            raise ConfigError(
                f"algo.batch={self.batch}: more than the {self.n_envs * self.n_steps} samples "
                "that n_envs * n_steps collect"
            )

    def check(self, settings: TrainSettings) -> None:
        """Refuse a device that this machine lacks, before anything is written."""
        if settings.device != "cpu" and not torch.cuda.is_available():
            raise ConfigError(
                f"device={settings.device}: PyTorch sees no GPU here; leave device=cpu, or install "
                "a build of torch for this machine's driver"
            )

    def train(self, env: EnvOptions, settings: TrainSettings, say: Say) -> Act:
        """Learn until the budget is spent; the best policy on the validation episodes.

        A run that was interrupted goes on from its last checkpoint.
        """
        torch.set_num_threads(settings.threads)
        facts = load_facts(settings.folder / CHECKPOINT) or {}
        budget = Budget(settings, facts.get("seconds", 0.0), facts.get("steps", 0))
        model = self._model(env, settings, budget)
        if facts:
            load_weights(settings.folder / CHECKPOINT, model.policy, model.policy.optimizer)
            say(f"resuming at {budget.steps:,} steps, {budget.seconds / 60:.1f} min")
        watch = _Watch(env, settings, budget, say, best=facts.get("best", -np.inf))
        if budget.left > 0.0:
            _warm_up(model)
            budget.start()
            model.learn(FOREVER, callback=watch, log_interval=None)
            watch.look()
        load_weights(settings.folder / BEST, model.policy)
        return policy_act(model)

    def _model(self, env: EnvOptions, settings: TrainSettings, budget: Budget) -> PPO:
        batch = NativeVecEnv(
            self.n_envs,
            episodes=env.episodes,
            action=env.action,
            reward=env.reward,
            max_steps=env.max_steps,
            dynamics=env.dynamics,
        )
        return PPO(
            "MlpPolicy",
            batch,
            learning_rate=lambda _: self.learning_rate * budget.left,
            n_steps=self.n_steps,
            batch_size=self.batch,
            n_epochs=self.epochs,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            clip_range=self.clip,
            ent_coef=self.entropy,
            policy_kwargs={
                "net_arch": list(self.hidden),
                "activation_fn": torch.nn.ReLU,
                "log_std_init": self.log_std,
                "features_extractor_class": RoadUserNet,
            },
            stats_window_size=500,
            seed=settings.seed + budget.steps,  # a resumed run goes on with fresh episodes
            device=settings.device,
        )


def _check_numbers(options: SB3PPO) -> None:
    for name, (fits, expected) in _RANGES.items():
        value = getattr(options, name)
        if not fits(value):
            raise ConfigError(f"algo.{name}={value}: expected {expected}")
    if not all(type(width) is int and width > 0 for width in options.hidden):
        raise ConfigError(
            f"algo.hidden={options.hidden!r}: expected a list of whole numbers above 0"
        )


def _warm_up(model: PPO) -> None:
    """Compile the world before the clock runs."""
    batch = model.env
    assert isinstance(batch, NativeVecEnv)
    batch.reset()
    batch.step(np.repeat(batch.core.action.idle[None], batch.num_envs, axis=0))


def policy_act(model: PPO) -> Act:
    """The model's mean actions."""

    def act(observations: np.ndarray) -> np.ndarray:
        return model.predict(observations, deterministic=True)[0]

    return act


class _Watch(BaseCallback):
    """Looks at the validation episodes from time to time, logs, saves, and ends the learning."""

    def __init__(
        self, env: EnvOptions, settings: TrainSettings, budget: Budget, say: Say, *, best: float
    ) -> None:
        super().__init__()
        self.env, self.settings, self.budget, self.say = env, settings, budget, say
        self.best = best
        self.before = budget.steps
        self.next_look = budget.seconds + (0.0 if budget.steps == 0 else settings.every)

    def _on_step(self) -> bool:
        self.budget.steps = self.before + self.num_timesteps
        return self.budget.left > 0.0

    def _on_rollout_start(self) -> None:
        if self.budget.seconds >= self.next_look:
            self.look()
            self.next_look = self.budget.seconds + self.settings.every

    def look(self) -> None:
        """Validate, log and save; the clock stands still."""
        self.budget.pause()
        seeds = range(VALIDATION_SEED, VALIDATION_SEED + self.settings.validation)
        trials = run_trials(policy_act(self.model), self.env, seeds)
        row = self._row(trials.facts())
        add_progress(self.settings.folder, row)
        self._save(trials.success + 1e-3 * float(row["validation"]["mean_return"]))
        self.say(
            f"{row['minutes']:6.1f} min {row['steps']:>11,} steps  success: training "
            f"{row['success']:.2f}, validation {trials.success:.2f}  "
            f"return {row['validation']['mean_return']:.2f}"
        )
        self.budget.start()

    def _row(self, validation: dict[str, Any]) -> dict[str, Any]:
        episodes, done = self.model.ep_info_buffer or (), self.model.ep_success_buffer or ()
        return {
            "minutes": round(self.budget.seconds / 60.0, 3),
            "steps": self.budget.steps,
            "success": float(np.mean(done)) if len(done) else 0.0,
            "return": float(np.mean([e["r"] for e in episodes])) if len(episodes) else 0.0,
            "length": float(np.mean([e["l"] for e in episodes])) if len(episodes) else 0.0,
            "validation": validation,
        }

    def _save(self, value: float) -> None:
        policy = self.model.policy
        if value > self.best:
            self.best = value
            save_checkpoint(self.settings.folder / BEST, policy, {"steps": self.budget.steps})
        facts = {
            "steps": self.budget.steps,
            "seconds": self.budget.seconds,
            "best": self.best,
        }
        save_checkpoint(self.settings.folder / CHECKPOINT, policy, facts, policy.optimizer)
