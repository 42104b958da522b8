"""A 3 x 3 convolution of maps in float32 on the CPU, with a fourth of the multiplications.

Two and a half times as fast as oneDNN where maps are large enough; its weights take four times the
room. Rounding errors are seven times oneDNN's: a millionth of what the results vary by.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.transfuser.team import room, run, teamed

LEAST = 16  # tiles of a map: with fewer, reading the weights takes longer than it saves
CHANNELS = 64  # channels in and out have to be multiples of it
SIZE = (3, 3)


def worthwhile(plain: nn.Conv2d, height: int, width: int) -> bool:
    """Whether a convolution of maps of this size is faster, and possible, here."""
    ones = (plain.stride, plain.dilation, plain.padding) == ((1, 1),) * 3 and plain.groups == 1
    fits = plain.in_channels % CHANNELS == plain.out_channels % CHANNELS == 0
    tiles = -(-height // 4) * -(-width // 4)
    return ones and plain.kernel_size == SIZE and fits and tiles >= LEAST and can_be()


def can_be() -> bool:
    """Whether this processor has the instructions and torch's threads are at hand."""
    from drivelab.kernels.convolution.vectors import has

    return has("avx2") and has("fma") and teamed()


class WinogradConvolution:
    """A convolution with stride 1 and a border of one pixel, of its weights as they are now."""

    def __init__(self, weight: Float[Tensor, "o c 3 3"], bias: Float[Tensor, " o"]) -> None:
        # Compiling takes seconds once on a machine; only who plans with such networks waits for it.
        from drivelab.kernels.convolution import points, product

        taken, given, *size = weight.shape
        if tuple(size) != SIZE or taken % CHANNELS or given % CHANNELS:
            raise ValueError(
                f"weights of shape {tuple(weight.shape)}: Winograd's convolution is for 3 x 3 "
                f"weights with multiples of {CHANNELS} channels in and out; use torch's"
            )
        self.given, self.taken = given, taken
        self.weights = points.panels(weight.detach().numpy(), product.WIDTH)
        self.bias = bias.detach().numpy().astype(np.float32)

    def __call__(
        self,
        x: Float[Tensor, "b c h w"],
        beside: Float[Tensor, "b o i j"] | None = None,
        *,
        relu: bool = True,
    ) -> Float[Tensor, "b o h w"]:
        """The convolution, plus what is beside it, through ReLU; channels come last."""
        x = _channels_last(x, self.given)
        batch, _, height, width = x.shape
        shape = (batch, self.taken, height, width)
        target = torch.empty(shape, memory_format=torch.channels_last)
        if beside is not None:
            if beside.shape != target.shape:
                raise ValueError(
                    f"a map of shape {tuple(beside.shape)} beside a result of shape {shape}"
                )
            beside = _channels_last(beside, self.taken)
        for n in range(batch):
            self._run(x[n], None if beside is None else beside[n], target[n], relu=relu)
        return target

    def _run(self, x: Tensor, beside: Tensor | None, target: Tensor, *, relu: bool) -> None:
        from drivelab.kernels.convolution import winograd

        floor = np.array([0.0 if relu else -np.inf], np.float32)
        record = np.zeros(1, winograd.JOB)
        job = record[0]
        job["source"], job["target"] = x.data_ptr(), target.data_ptr()
        job["height"], job["width"] = x.shape[1:]
        job["given"], job["taken"] = self.given, self.taken
        job["beside"] = 0 if beside is None else beside.data_ptr()
        job["weights"], job["bias"] = self.weights.ctypes.data, self.bias.ctypes.data
        job["floor"] = floor.ctypes.data
        winograd.arrange(record)
        threads = torch.get_num_threads()
        job["rooms"] = room("rooms", threads * int(job["room"]))
        if job["seen_all"]:
            job["seen"] = room("seen", int(job["seen_all"]))
            run(winograd.look_job, record)
            job["turn"] = 0
            run(winograd.answer_job, record)
        else:
            run(winograd.both_job, record)


def _channels_last(x: Tensor, channels: int) -> Tensor:
    if x.dtype != torch.float32 or x.device.type != "cpu" or x.shape[1] != channels:
        raise ValueError(
            f"a map of shape {tuple(x.shape)} in {x.dtype} on {x.device}: expected {channels} "
            "channels in torch.float32 on the CPU"
        )
    return x.contiguous(memory_format=torch.channels_last)
