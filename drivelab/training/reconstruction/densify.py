"""Copy, split, remove, fade: gsplat 1.5.3's default strategy (arXiv 2308.04079, section 5)."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.spatial import cKDTree

from drivelab.kernels.splat import Trace
from drivelab.kernels.splat.ref import rotations
from drivelab.training.reconstruction.model import Model, change
from drivelab.training.reconstruction.settings import Density

_SHRINK = 1.6  # of what is split
_NEAR = 16  # neighbours that colour what was not seen


def gather(model: Model, trace: Trace) -> None:
    """Add what a step's gradient left behind."""
    model.pulls += trace.pulls
    model.drawn += trace.drawn
    model.seen |= trace.pulls > 0


def colour_unseen(model: Model, inside: np.ndarray) -> int:
    """Give what no view saw the median colours of its nearest ones that were; how many.

    Points of a lidar that sees more than the cameras would keep the colours they began with, and
    those of which only the rim was seen took any: they show as soon as somebody looks from
    elsewhere.

    Args:
        model: is changed.
        inside: (n,) whether the middle of each lies on the picture of a learned view.
    """
    seen, nodes = model.seen.cpu().numpy() & inside, model.nodes.cpu().numpy()
    means, total = model.means.detach().cpu().numpy(), 0
    for node in np.unique(nodes[~seen]).tolist():
        own, found = (np.flatnonzero((nodes == node) & part) for part in (~seen, seen))
        if len(found):
            count = min(_NEAR, len(found))
            near = found[cKDTree(means[found]).query(means[own], k=range(1, count + 1))[1]]
            with torch.no_grad():
                for values in (model.sh_first, model.sh_rest):
                    around = values.cpu().numpy()[near]
                    values[torch.as_tensor(own)] = torch.as_tensor(np.median(around, 1)).to(values)
            total += len(own)
    return total


def due(step: int, density: Density) -> bool:
    """Whether Gaussians are added and removed after a step, counted from 0."""
    return density.first < step < density.last and step % density.every == 0


def fades(step: int, density: Density) -> bool:
    """Whether opacities are reset after a step."""
    return 0 < step < density.last and step % density.reset_every == 0


def grow(
    model: Model,
    optimizer: torch.optim.Adam,
    density: Density,
    extent: float,
    generator: torch.Generator,
) -> tuple[int, int]:
    """Copy small and split large Gaussians whose places are pulled at; returns how many of each.

    What is split is replaced by two of 1 / 1.6 its size, drawn from it. New ones begin without
    moments.
    """
    pulled = model.pulls / model.drawn.clamp(min=1) > density.pull
    large = model.scales.detach().exp().amax(1) > density.small * extent
    copied, parted = (pulled & ~large).nonzero()[:, 0], (pulled & large).nonzero()[:, 0]
    kept = (~(pulled & large)).nonzero()[:, 0]
    size, turn = model.scales.detach()[parted].exp(), rotations(model.quats.detach()[parted])
    drawn = torch.randn((2, len(parted), 3), generator=generator).to(size)
    shifts = torch.einsum("nij,nj,bnj->bni", turn, size, drawn).flatten(0, 1)

    def rows(name: str, old: torch.Tensor) -> torch.Tensor:
        parts = old[parted].repeat(2, *[1] * (old.ndim - 1))
        if name == "means":
            parts = parts + shifts
        elif name == "scales":
            parts = parts - math.log(_SHRINK)
        return torch.cat([old[kept], old[copied], parts])

    def moments(_: str, old: torch.Tensor) -> torch.Tensor:
        new = old.new_zeros(len(copied) + 2 * len(parted), *old.shape[1:])
        return torch.cat([old[kept], new])

    change(model, optimizer, rows, moments)
    return len(copied), len(parted)


def prune(
    model: Model, optimizer: torch.optim.Adam, density: Density, extent: float, step: int
) -> int:
    """Remove what is hardly there, and what is too large once opacities were reset; how many."""
    gone = model.opacities.detach().sigmoid() < density.least_opacity
    if step > density.reset_every:
        gone |= model.scales.detach().exp().amax(1) > density.large * extent
    kept = (~gone).nonzero()[:, 0]
    if len(kept) == len(model):
        return 0
    change(model, optimizer, lambda _, old: old[kept], lambda _, old: old[kept])
    return int(gone.sum())


def fade(model: Model, optimizer: torch.optim.Adam, density: Density) -> None:
    """Lower opacities to twice the least one; they begin without moments."""
    most = 2.0 * density.least_opacity
    with torch.no_grad():
        model.opacities.clamp_(max=math.log(most / (1.0 - most)))
    for name, moment in optimizer.state.get(model.opacities, {}).items():
        if name != "step":
            moment.zero_()
