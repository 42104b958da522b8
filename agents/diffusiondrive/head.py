"""The trajectory head: anchors with a little noise, denoised in two steps."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from drivelab.agents.diffusiondrive.bev_map import BevMap
from drivelab.agents.diffusiondrive.config import DiffusionDriveConfig
from drivelab.agents.diffusiondrive.decoder import DiffusionDecoder
from drivelab.agents.diffusiondrive.embeddings import POINT, LevelEmbedding, embed_points
from drivelab.agents.diffusiondrive.losses import mode_loss, nearest_anchor, pick
from drivelab.agents.diffusiondrive.schedule import (
    START,
    STEPS,
    TRAINED,
    Schedule,
    denormalise,
    normalise,
    truncated_levels,
    vanilla_levels,
)
from drivelab.errors import ConfigError

# map (b, c, v, u), all of it or what makes parts of it, ego (b, 1, c) and agents (b, a, c)
Scene = tuple[Tensor | BevMap, Tensor, Tensor]


class TrajectoryHead(nn.Module):
    """Truncated diffusion (arXiv 2411.15139): 20 trajectories with scores from 20 anchors.

    With `diffusion="vanilla"` the same decoder starts from pure noise instead, and every one of
    its samples is taught the target; as nothing tells the samples apart, the first one is the plan.
    """

    def __init__(self, config: DiffusionDriveConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.plan_anchor = nn.Parameter(
            torch.zeros(config.modes, config.poses, 2), requires_grad=False
        )
        self.plan_anchor_encoder = nn.Sequential(
            nn.Linear(config.poses * POINT, width),
            nn.ReLU(inplace=True),
            nn.LayerNorm(width),
            nn.Linear(width, width),
        )
        self.time_mlp = nn.Sequential(
            LevelEmbedding(width),
            nn.Linear(width, 4 * width),
            nn.Mish(),
            nn.Linear(4 * width, width),
        )
        self.diff_decoder = DiffusionDecoder(config)
        self.schedule = Schedule()

    def set_anchors(self, anchors: Float[Tensor, "m t 2"]) -> None:
        """Take x, y [m] of the anchors, which are not trained.

        Raises:
            ConfigError: anchors of another number or horizon than the network's, or not finite.
        """
        wanted, given = tuple(self.plan_anchor.shape), tuple(anchors.shape)
        if wanted != given:
            raise ConfigError(
                f"anchors of shape {given}, expected {wanted}: {self.config.modes} modes of "
                f"{self.config.poses} poses, {self.config.poses * self.config.dt:g} s; make them "
                "with the horizon and number of the agent's configuration"
            )
        if not bool(torch.isfinite(anchors).all()):
            raise ConfigError("anchors with values that are not finite; make them again")
        with torch.no_grad():
            self.plan_anchor.copy_(anchors)

    def forward(self, scene: Scene, noise: Float[Tensor, "b m t 2"]) -> dict[str, Tensor]:
        """`trajectory` (b, t, 3), all `modes` (b, m, t, 3), their logits `mode_scores` (b, m)."""
        if self.config.diffusion == "vanilla":
            return self._denoise_from_noise(scene, noise)
        sample = self.start(noise)
        poses, scores = self._nothing(noise)
        for level in self.levels():
            poses, scores = self.denoise(sample, level, scene)[-1]
            sample = self.schedule.step(sample, normalise(poses[..., :2]), level)
        return chosen(poses, scores)

    def levels(self) -> list[int]:
        """Noise levels told to the network, one for each pass."""
        if self.config.diffusion == "vanilla":
            return vanilla_levels(self.config.vanilla_steps)
        return truncated_levels(self.config.denoise_steps)

    def start(self, noise: Float[Tensor, "b m t 2"]) -> Float[Tensor, "b m t 2"]:
        """The anchors with a little noise, normalised."""
        clean = normalise(self.plan_anchor).expand_as(noise)
        return self.schedule.add_noise(clean, noise, self._each(noise, START))

    def denoise(
        self, sample: Float[Tensor, "b m t 2"], level: int, scene: Scene
    ) -> list[tuple[Tensor, Tensor]]:
        """Poses [m, rad] and scores of every decoder layer for a normalised sample."""
        return self._decode(sample.clamp(-1, 1), self._each(sample, level), scene)

    def loss(
        self,
        scene: Scene,
        target: Float[Tensor, "b t 3"],
        *,
        noise: Float[Tensor, "b k t 2"],
        timesteps: Int[Tensor, " b"],
    ) -> dict[str, Tensor]:
        """`trajectory_loss_0`, ... of the layers, their sum, and the `trajectory` (b, t, 3).

        The noise of several draws (k = draws * modes) lies draw after draw.
        """
        vanilla = self.config.diffusion == "vanilla"
        draws = noise.shape[1] // len(self.plan_anchor)
        clean = normalise(
            target[:, None, :, :2] if vanilla else self.plan_anchor.repeat(draws, 1, 1)
        )
        sample = self.schedule.add_noise(clean.expand_as(noise), noise, timesteps)
        found = self._decode(sample.clamp(-1, 1), timesteps, scene)
        parts = [
            self._taught_all(poses, target) if vanilla else self._taught_best(poses, scores, target)
            for poses, scores in found
        ]
        return {
            "trajectory_loss": torch.stack(parts).sum(),
            **{f"trajectory_loss_{layer}": part for layer, part in enumerate(parts)},
            "trajectory": chosen(*found[-1])["trajectory"],
        }

    def draw(
        self, rows: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "b k t 2"], Int[Tensor, " b"]]:
        """Noise and noise levels for a batch of training."""
        device, vanilla = self.plan_anchor.device, self.config.diffusion == "vanilla"
        highest = STEPS if vanilla else TRAINED
        modes, *rest = self.plan_anchor.shape
        # of anchored draws one mode each is taught to move, of pure noise all of one draw are
        shape = (rows, (1 if vanilla else self.config.draws) * modes, *rest)
        noise = torch.randn(shape, generator=generator, device=device, dtype=self.plan_anchor.dtype)
        levels = torch.randint(highest, (rows,), generator=generator, device=device)
        return self.config.noise_deviation * noise, levels

    def noise(self, rows: int) -> Float[Tensor, "b m t 2"]:
        """Noise for inference: with a seed, the same for every scene and call."""
        like, seed = self.plan_anchor, self.config.noise_seed
        if seed is None:
            drawn = torch.randn(rows, *like.shape, device=like.device, dtype=like.dtype)
        else:
            drawn = torch.randn(1, *like.shape, generator=torch.Generator().manual_seed(seed))
        return self.config.noise_deviation * drawn.to(like).expand(rows, -1, -1, -1)

    def _decode(
        self, sample: Float[Tensor, "b m t 2"], levels: Int[Tensor, " b"], scene: Scene
    ) -> list[tuple[Tensor, Tensor]]:
        points = denormalise(sample)
        features = self.plan_anchor_encoder(embed_points(points).flatten(-2))
        time = self.time_mlp[1:](self.time_mlp[0](levels).to(features.dtype))
        return self.diff_decoder(features, points, scene, time)

    def _denoise_from_noise(
        self, scene: Scene, noise: Float[Tensor, "b m t 2"]
    ) -> dict[str, Tensor]:
        sample, levels = noise, self.levels()
        poses, scores = self._nothing(noise)
        for level, to in zip(levels, [*levels[1:], -1], strict=True):
            poses, scores = self.denoise(sample, level, scene)[-1]
            sample = self.schedule.step(sample, normalise(poses[..., :2]), level, to=to)
        return chosen(poses, torch.zeros_like(scores))

    def _taught_best(self, poses: Tensor, scores: Tensor, target: Tensor) -> Tensor:
        modes = len(self.plan_anchor)
        target = target.repeat_interleave(scores.shape[1] // modes, 0)
        poses, scores = poses.unflatten(1, (-1, modes)).flatten(0, 1), scores.reshape(-1, modes)
        return mode_loss(
            poses,
            scores,
            target,
            nearest_anchor(self.plan_anchor, target),
            class_weight=self.config.mode_class_weight,
            box_weight=self.config.mode_box_weight,
        )

    def _taught_all(self, poses: Tensor, target: Tensor) -> Tensor:
        return self.config.mode_box_weight * (poses - target[:, None]).abs().mean()

    def _each(self, like: Tensor, level: int) -> Tensor:
        return torch.full((len(like),), level, dtype=torch.long, device=like.device)

    def _nothing(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        return noise.new_zeros(*noise.shape[:-1], 3), noise.new_zeros(noise.shape[:2])


def chosen(poses: Float[Tensor, "b m t 3"], scores: Float[Tensor, "b m"]) -> dict[str, Tensor]:
    """The mode with the highest score, beside all of them."""
    return {
        "trajectory": pick(poses, scores.argmax(-1)),
        "modes": poses,
        "mode_scores": scores,
    }
