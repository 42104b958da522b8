"""ViG-H: the hierarchical ViG, with features at strides 4, 8, 16 and 32."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.features import Features
from drivelab.agents.encoders.feedforward import GatedHidden, hidden_width
from drivelab.agents.encoders.flops import Flops, cells_after, convolution, linear
from drivelab.agents.encoders.gated_mixing import GatedMixer, mixer_flops
from drivelab.agents.encoders.grids import to_map, to_tokens
from drivelab.agents.encoders.heads import make_head
from drivelab.agents.encoders.norms import ChannelNorm
from drivelab.agents.encoders.options import (
    SCANS,
    check_choice,
    check_counts,
    check_share,
    refuse,
)
from drivelab.agents.encoders.rows import by_rows
from drivelab.agents.encoders.stochastic_depth import DropPath, rates

HIDDEN_MULTIPLE = 32
STRIDES = (4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class ViGHConfig:
    """A released ViG-H is one of these."""

    width: int = 96  # channels of the first stage; each stage doubles them
    depths: tuple[int, ...] = (2, 2, 5, 2)
    heads: tuple[int, ...] = (3, 6, 12, 24)
    classes: int = 1000  # 0: no head
    dense: bool = False  # norms on each level in the classifier's place, as for detection
    drop_path: float = 0.0
    backend: str = "auto"

    def __post_init__(self) -> None:
        check_counts(self, "width", "depths", "heads")
        check_counts(self, "classes", least=0)
        check_share(self, "drop_path")
        check_choice(self, "backend", SCANS)
        if not len(self.depths) == len(self.heads) == len(STRIDES):
            raise refuse(self, ["depths", "heads"], f"one number for each of {len(STRIDES)} stages")
        if any(width % (2 * heads) for width, heads in zip(self.widths, self.heads, strict=True)):
            raise refuse(
                self,
                ["width", "heads"],
                f"the heads of each stage to divide half its width; the widths are {self.widths}",
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.width << stage for stage in range(len(self.depths)))


class ViGHBlock(nn.Module):
    """Mixer and gated layer, each behind a layer norm and added to the stream."""

    def __init__(self, config: ViGHConfig, stage: int, drop_path: float) -> None:
        super().__init__()
        width = config.widths[stage]
        self.norm, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.op = GatedMixer(
            width, config.heads[stage], conv_act=False, out_act=False, backend=config.backend
        )
        self.mlp = GatedHidden(width, hidden_width(width, HIDDEN_MULTIPLE))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Float[Tensor, "b n c"], grid: tuple[int, int]) -> Float[Tensor, "b n c"]:
        """Tokens of a grid, row by row."""
        x = x + self.drop_path(self.op(by_rows(self.norm, x), grid))
        return x + self.drop_path(by_rows(self._alone, x))

    def _alone(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        return self.mlp(self.norm2(x))


class Stage(nn.Module):
    """Blocks of one resolution, and the way to the next, coarser one."""

    def __init__(self, config: ViGHConfig, stage: int, drop_paths: list[float]) -> None:
        super().__init__()
        widths = config.widths
        self.blocks = nn.ModuleList(ViGHBlock(config, stage, rate) for rate in drop_paths)
        self.downsample = nn.Identity()
        if stage + 1 < len(widths):
            made = widths[stage + 1]
            convolve = nn.Conv2d(widths[stage], made, 3, stride=2, padding=1)
            self.downsample = nn.Sequential(
                nn.Identity(), convolve, nn.Identity(), ChannelNorm(made)
            )

    def forward(self, cells: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The level of this stage; `downsample` makes the next stage's input of it."""
        grid = (cells.shape[2], cells.shape[3])
        x = to_tokens(cells)
        for block in self.blocks:
            x = block(x, grid)
        return to_map(x, grid)


class ViGH(nn.Module):
    """ViG-H (arXiv 2405.18425) with the parameter names of its released weights."""

    def __init__(self, config: ViGHConfig) -> None:
        super().__init__()
        self.config = config
        self.strides, self.channels = STRIDES, config.widths
        first, half = config.width, config.width // 2
        self.patch_embed = nn.Sequential(
            nn.Conv2d(3, half, 3, stride=2, padding=1),
            nn.Identity(),
            ChannelNorm(half),
            nn.Identity(),
            nn.GELU(),
            nn.Conv2d(half, first, 3, stride=2, padding=1),
            nn.Identity(),
            ChannelNorm(first),
        )
        drops = iter(rates(config.drop_path, sum(config.depths)))
        self.layers = nn.ModuleList(
            Stage(config, stage, [next(drops) for _ in range(depth)])
            for stage, depth in enumerate(config.depths)
        )
        last = config.widths[-1]
        if config.dense:
            for stage, width in enumerate(config.widths):
                self.add_module(f"outnorm{stage}", ChannelNorm(width))
        else:
            head = make_head(last, config.classes)
            self.classifier = nn.ModuleDict({"norm": ChannelNorm(last), "head": head})

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Features:
        """Four levels; the tokens are those of the last, normed."""
        cells = self.patch_embed(image)
        levels = []
        for stage in self.layers:
            levels.append(stage(cells))
            cells = stage.downsample(levels[-1])
        if self.config.dense:
            levels = [self.get_submodule(f"outnorm{i}")(one) for i, one in enumerate(levels)]
            tokens = to_tokens(levels[-1])
        else:
            tokens = to_tokens(self.classifier["norm"](levels[-1]))
        return Features(tuple(levels), tokens, STRIDES)

    def classify(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes"]:
        """Logits from the mean of the last level; a dense encoder has no head for them."""
        if self.config.dense:
            raise ValueError("a ViG-H with dense=True has no classifier; build it with dense=False")
        return self.classifier["head"](self(image).tokens.mean(1))


def flops(config: ViGHConfig, height: int, width: int) -> Flops:
    """Operations of the features of an image."""
    given, counted = 3, Flops()
    h, w = height, width
    for made in (config.width // 2, *config.widths):
        h, w = (cells_after(size, 3, 2, 1) for size in (h, w))
        counted += convolution(h * w, 3, given, made)
        given = made
        if made in config.widths:
            stage = config.widths.index(made)
            hidden = hidden_width(made, HIDDEN_MULTIPLE)
            block = mixer_flops(h * w, made, config.heads[stage])
            counted += (block + linear(h * w, made, 3 * hidden)) * config.depths[stage]
    return counted
