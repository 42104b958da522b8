"""The encoders of camera and lidar, stage by stage, so that each may see what the other saw."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.resnet import BasicBlock
from drivelab.agents.encoders.vig_h import ViGH, ViGHConfig

HEAD_WIDTH = 16  # channels of a ViG-H head
COLOURS = 3


class ResNetTrunk(nn.Module):
    """A ResNet (arXiv 1512.03385) of any widths and input channels, under its usual names."""

    def __init__(self, given: int, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, widths[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.act1 = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        before = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            first = BasicBlock(before, width, 1 if stage == 0 else 2)
            rest = [BasicBlock(width, width, 1) for _ in range(depth - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(first, *rest))
            before = width
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stem(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """Cells at stride 4."""
        return self.maxpool(self.act1(self.bn1(self.conv1(image))))

    def stage(self, index: int, cells: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """The level `index` (0 to 3) from the one before, or from the stem."""
        return self.get_submodule(f"layer{index + 1}")(cells)


class ViGHTrunk(ViGH):
    """ViG-H (arXiv 2405.18425) without its classifier, stage by stage."""

    def __init__(self, given: int, widths: Sequence[int], depths: Sequence[int]) -> None:
        heads = tuple(max(1, width // (2 * HEAD_WIDTH)) for width in widths)
        super().__init__(ViGHConfig(width=widths[0], depths=tuple(depths), heads=heads, classes=0))
        del self.classifier
        if given != COLOURS:
            first = self.patch_embed[0]
            self.patch_embed[0] = nn.Conv2d(given, first.out_channels, 3, stride=2, padding=1)

    def stem(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """Cells at stride 4."""
        return self.patch_embed(image)

    def stage(self, index: int, cells: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """The level `index` (0 to 3) from the one before, or from the stem."""
        if index:
            cells = self.layers[index - 1].downsample(cells)
        return self.layers[index](cells)


def make_trunk(
    encoder: str, given: int, *, widths: Sequence[int], depths: Sequence[int]
) -> ResNetTrunk | ViGHTrunk:
    """An encoder with fresh weights; `given` channels in."""
    trunk = ViGHTrunk if encoder == "vig_h" else ResNetTrunk
    return trunk(given, widths, depths)
