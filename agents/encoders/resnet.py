"""ResNet-18 and ResNet-34: convolutions with shortcuts, at strides 4, 8, 16 and 32."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.features import Features
from drivelab.agents.encoders.flops import Flops, cells_after, convolution
from drivelab.agents.encoders.grids import to_tokens
from drivelab.agents.encoders.heads import make_head
from drivelab.agents.encoders.options import check_counts, refuse

WIDTHS = (64, 128, 256, 512)
STRIDES = (4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class ResNetConfig:
    """A published ResNet of basic blocks is one of these."""

    depths: tuple[int, int, int, int]  # blocks of each stage
    classes: int = 1000  # 0: no head

    def __post_init__(self) -> None:
        check_counts(self, "depths")
        check_counts(self, "classes", least=0)
        if len(self.depths) != len(WIDTHS):
            raise refuse(self, ["depths"], f"one number for each of {len(WIDTHS)} stages")


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, given: int, made: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, made, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(made)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(made, made, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(made)
        self.downsample: nn.Sequential | None = None
        if stride > 1 or given != made:
            shortcut = nn.Conv2d(given, made, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(made))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """Cells of the same or half the resolution."""
        beside = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + beside)


class ResNet(nn.Module):
    """ResNet (arXiv 1512.03385) with torchvision's parameter names."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config, self.strides, self.channels = config, STRIDES, WIDTHS
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        given = WIDTHS[0]
        for stage, (made, depth) in enumerate(zip(WIDTHS, config.depths, strict=True)):
            first = BasicBlock(given, made, 1 if stage == 0 else 2)
            rest = [BasicBlock(made, made, 1) for _ in range(depth - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(first, *rest))
            given = made
        self.fc = make_head(given, config.classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Features:
        """Four levels; the tokens are the cells of the last."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        levels = []
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
            levels.append(x)
        return Features(tuple(levels), to_tokens(x), STRIDES)

    def classify(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes"]:
        """Logits from the mean of the last level."""
        return self.fc(torch.mean(self(image).tokens, 1))


def flops(config: ResNetConfig, height: int, width: int) -> Flops:
    """Operations of the features of an image."""
    h, w = (cells_after(size, 7, 2, 3) for size in (height, width))
    counted = convolution(h * w, 7, 3, WIDTHS[0])
    h, w = (cells_after(size, 3, 2, 1) for size in (h, w))
    given = WIDTHS[0]
    for made, depth in zip(WIDTHS, config.depths, strict=True):
        if made != given:
            h, w = (cells_after(size, 3, 2, 1) for size in (h, w))
            counted += convolution(h * w, 1, given, made)
        counted += convolution(h * w, 3, given, made)
        counted += convolution(h * w, 3, made, made) * (2 * depth - 1)
        given = made
    return counted
