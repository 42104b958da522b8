"""Residual encoders for inference: norms folded into convolutions, weights laid out once.

On a CPU torch lays out a convolution's weights anew at every call and runs what follows it on its
own. Where oneDNN is at hand, the layout is kept here, and ReLU and shortcut are part of the call;
most 3 x 3 convolutions of large maps are Winograd's instead.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_eval

from drivelab.agents.encoders.resnet import BasicBlock
from drivelab.agents.transfuser.trunk import ResNetTrunk
from drivelab.agents.transfuser.winograd import WinogradConvolution, worthwhile

NO_SCALARS: tuple[str, list[float], str] = ("relu", [], "")  # what oneDNN is told of an activation


class FoldedConvolution(nn.Module):
    """A convolution with a batch norm inside it, then a sum if asked for, then ReLU if asked for.

    `packed` keeps weights in oneDNN's layout, one for each size of input; such a module computes
    only in float32 on the CPU, elsewhere it falls back to torch's convolution.
    """

    def __init__(self, plain: nn.Conv2d, norm: nn.Module | None, *, packed: bool) -> None:
        super().__init__()
        plain = plain if norm is None else fuse_conv_bn_eval(plain, norm)
        self.plain = plain.to(memory_format=torch.channels_last)
        self.packed = packed
        self._layouts: dict[tuple[int, ...], Tensor] = {}
        self._winograd: WinogradConvolution | None = None
        self._worthwhile: dict[tuple[int, int], bool] = {}

    def forward(
        self, x: Float[Tensor, "b c h w"], beside: Float[Tensor, "b d i j"] | None = None
    ) -> Float[Tensor, "b d i j"]:
        """ReLU of the convolution, or of its sum with what is beside it."""
        if not self._packs(x):
            found = self.plain(x)
            return F.relu(found if beside is None else found + beside)
        if self._wins(x):
            return self._made()(x, beside)
        shape, operators = self._shape(), torch.ops.mkldnn
        weight, bias = self._layout(x), self.plain.bias
        if beside is None:
            return operators._convolution_pointwise(x, weight, bias, *shape, *NO_SCALARS)
        joined = operators._convolution_pointwise.binary
        return joined(x, beside, weight, bias, *shape, "add", 1.0, *NO_SCALARS)

    def _packs(self, x: Tensor) -> bool:
        return self.packed and x.device.type == "cpu" and x.dtype == torch.float32

    def _wins(self, x: Tensor) -> bool:
        size = (x.shape[2], x.shape[3])
        if size not in self._worthwhile:
            self._worthwhile[size] = worthwhile(self.plain, *size)
        return self._worthwhile[size] and not torch.is_autocast_enabled("cpu")

    def _made(self) -> WinogradConvolution:
        if self._winograd is None:
            self._winograd = WinogradConvolution(self.plain.weight, self.plain.bias)
        return self._winograd

    def _shape(self) -> tuple[list[int], list[int], list[int], int]:
        plain = self.plain
        return list(plain.padding), list(plain.stride), list(plain.dilation), plain.groups

    def _layout(self, x: Tensor) -> Tensor:
        size = tuple(x.shape)
        if size not in self._layouts:
            weight = self.plain.weight.detach().to_mkldnn()
            reorder = torch._C._nn.mkldnn_reorder_conv2d_weight
            self._layouts[size] = reorder(weight, *self._shape(), list(size))
        return self._layouts[size]


class FoldedBlock(nn.Module):
    """A `BasicBlock` without its norms."""

    def __init__(self, plain: BasicBlock, *, packed: bool) -> None:
        super().__init__()
        self.conv1 = FoldedConvolution(plain.conv1, plain.bn1, packed=packed)
        self.conv2 = FoldedConvolution(plain.conv2, plain.bn2, packed=packed)
        shortcut = plain.downsample
        self.downsample = nn.Identity() if shortcut is None else fuse_conv_bn_eval(*shortcut)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """Cells of the same or half the resolution."""
        return self.conv2(self.conv1(x), self.downsample(x))


class FoldedTrunk(nn.Module):
    """A `ResNetTrunk` for inference, of its weights as they are when this is made."""

    def __init__(self, plain: ResNetTrunk, *, packed: bool) -> None:
        super().__init__()
        plain = copy.deepcopy(plain).eval()
        self.conv1 = FoldedConvolution(plain.conv1, plain.bn1, packed=packed)
        self.maxpool = plain.maxpool
        self.layers = nn.ModuleList(
            nn.Sequential(
                *(
                    FoldedBlock(block, packed=packed)
                    for block in plain.get_submodule(f"layer{index}")
                )
            )
            for index in range(1, 5)
        ).to(memory_format=torch.channels_last)

    def stem(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """Cells at stride 4."""
        return self.maxpool(self.conv1(image.contiguous(memory_format=torch.channels_last)))

    def stage(self, index: int, cells: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """The level `index` (0 to 3) from the one before, or from the stem."""
        return self.layers[index](cells.contiguous(memory_format=torch.channels_last))


def can_pack(tensor: Tensor) -> bool:
    """Whether oneDNN is there for such weights."""
    known = hasattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")
    real = tensor.device.type == "cpu" and tensor.dtype == torch.float32
    return real and known and torch.backends.mkldnn.is_available()
