"""What a run of reinforcement learning is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path

from drivelab.errors import ConfigError, nearest_name
from drivelab.training.imitation.curves import CURVES

MODES = ("il", "rl", "rl_il")
LARGEST_SEED = 2**32 - 1  # of the network library's generators
Say = Callable[[str], None]

_COUNTS = (
    "clips", "validation", "environments", "cycle", "updates", "later_updates",
    "imitation_batch", "harvest", "window", "batch", "passes", "look_every", "save_every",
    "threads", "workers", "learners", "staleness",
)  # fmt: skip
_POSITIVE = ("imitation_rate", "rate", "clip", "kl_limit")


@dataclass(frozen=True, slots=True)
class ReinforcementSettings:
    """Sizes, rates and limits; a round is one harvest of clips, or some updates of imitation.

    Attributes:
        folder: where everything of the run is kept.
        seed: of weights, order, and the actions that are drawn.
        mode: "il" imitates only; "rl" goes on with rounds of reinforcement; "rl_il" puts a round of
            imitation between them, which keeps the policy near the expert.
        clips: of the training split, from the first on.
        experts: of these, from the first on, those that are imitated; None: all. Where experts are
            dear to drive, as through cameras, reinforcement still meets more clips.
        validation: held-out clips of a look, from the last of the training split backwards.
        environments: clips that a worker drives side by side; a round's clips go out in shares of
            so many, whoever drives them.
        workers: of a cluster that drive; 1 without one.
        learners: that share each batch, through Ray Train if more than one.
        ahead: whether the next clips are driven while the learner learns, by weights that are one
            round older; it needs workers of a cluster. What a resumed run drives first is then not
            what it would have driven.
        pretraining: rounds of imitation at the beginning.
        rounds: rounds after that, of both kinds.
        cycle: with "rl_il" every so many rounds one is of imitation; 5 is the paper's RL:IL = 4:1.
        updates: of a round of pre-training.
        later_updates: of a round of imitation between those of reinforcement.
        imitation_batch: decisions of an update of imitation.
        imitation_rate: learning rate of the pre-training; it falls to 0 along a cosine.
        harvest: new clips of a round of reinforcement.
        window: latest clips that are learnt from; older ones leave first.
        staleness: rounds that the policy which drove a clip may be behind; older ones leave, too.
        batch: decisions of an update of reinforcement.
        passes: over the window in a round.
        rate: learning rate of all rounds after the pre-training; it falls to 0 along a cosine.
        weight_decay: of AdamW; biases and norms are left alone.
        clip: largest norm of the gradient of an update.
        kl_limit: mean divergence of an axis from the policies that drove at which a round ends.
        look_every: rounds between two looks at the held-out clips.
        save_every: rounds between two checkpoints.
        minutes: of wall time of this call after which it pauses, to be resumed; None: never.
        threads: of the network library.
        device: that learns, "cpu", "cuda", "cuda:N"; the clips are driven on the CPU.
        curves: where numbers go beside progress.jsonl: "tensorboard" or "wandb"; None: nowhere.
    """

    folder: Path
    seed: int = 0
    mode: str = "rl_il"
    clips: int = 3900
    experts: int | None = None
    validation: int = 100
    environments: int = 64
    workers: int = 1
    learners: int = 1
    ahead: bool = False
    pretraining: int = 300
    rounds: int = 900
    cycle: int = 5
    updates: int = 50
    later_updates: int = 20
    imitation_batch: int = 128
    imitation_rate: float = 1e-3
    harvest: int = 64
    window: int = 64
    staleness: int = 8
    batch: int = 512
    passes: int = 3
    rate: float = 1e-4
    weight_decay: float = 1e-4
    clip: float = 1.0
    kl_limit: float = 0.1
    look_every: int = 30
    save_every: int = 10
    minutes: float | None = None
    threads: int = 1
    device: str = "cpu"
    curves: str | None = None

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            self._require(name, type(value) is int and value >= 1, "a whole number from 1 on")
        for name in ("pretraining", "rounds"):
            value = getattr(self, name)
            self._require(name, type(value) is int and value >= 0, "a whole number from 0 on")
        for name in _POSITIVE:
            self._require(name, 0 < getattr(self, name) < inf, "a finite number above 0")
        self._require("weight_decay", 0 <= self.weight_decay < inf, "finite, 0 or more")
        self._require("minutes", self.minutes is None or self.minutes > 0, "above 0, or null")
        whole = type(self.seed) is int and 0 <= self.seed <= LARGEST_SEED
        self._require("seed", whole, f"a whole number from 0 to {LARGEST_SEED}")
        self._require(
            "mode", self.mode in MODES,
            f"one of {', '.join(MODES)}{nearest_name(str(self.mode), MODES)}",
        )  # fmt: skip
        self._require(
            "curves", self.curves is None or self.curves in CURVES,
            f"one of {', '.join(CURVES)}{nearest_name(str(self.curves), CURVES)}",
        )  # fmt: skip
        self._require("ahead", type(self.ahead) is bool, "true or false")
        for name in ("batch", "imitation_batch"):
            even = getattr(self, name) % self.learners == 0
            self._require(name, even, f"a multiple of learners={self.learners}")
        self._require("window", self.window >= self.harvest, f"harvest={self.harvest} or more")
        few = self.experts is None or (
            type(self.experts) is int and 1 <= self.experts <= self.clips
        )
        self._require("experts", few, f"1 to clips={self.clips}, or null")
        self._require("cycle", self.cycle >= 2, "2 or more: one of imitation, the rest not")
        only = self.mode != "il" or self.pretraining > 0
        self._require("pretraining", only, "1 or more with mode=il, which has no other rounds")
        self._require("rounds", self.total > 0, "1 or more, or some rounds of pretraining")

    @property
    def imitated(self) -> int:
        """Clips whose experts are imitated."""
        return self.clips if self.experts is None else self.experts

    @property
    def total(self) -> int:
        """Rounds of all kinds."""
        return self.pretraining + (0 if self.mode == "il" else self.rounds)

    def imitates(self, number: int) -> bool:
        """Whether a round, counted from 0, is one of imitation."""
        later = number - self.pretraining
        if later < 0:
            return True
        return self.mode == "rl_il" and later % self.cycle == self.cycle - 1

    def check_alone(self) -> None:
        """Refuse what takes workers of a cluster.

        Raises:
            ConfigError: several workers or learners, or clips driven ahead.
        """
        told = "without workers of a cluster; add launcher=ray"
        self._require("workers", self.workers == 1, f"1 {told}")
        self._require("learners", self.learners == 1, f"1 {told}")
        self._require("ahead", not self.ahead, f"false {told}")

    def check_cluster(self) -> None:
        """Refuse workers who would have nothing to do.

        Raises:
            ConfigError: more of them than a round has shares.
        """
        shares = ceil(self.harvest / self.environments)
        self._require(
            "workers", self.workers <= shares,
            f"at most {shares}: a round's harvest={self.harvest} clips go out in shares of "
            f"environments={self.environments}, one to a worker at a time; take fewer "
            "environments=, or a larger harvest= and window=",
        )  # fmt: skip

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ConfigError(f"{name}={getattr(self, name)}: expected {expected}")
