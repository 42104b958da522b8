"""Gaussians as samples: 3D Gaussian splatting as Markov chain Monte Carlo (arXiv 2404.09591).

What has become faint moves to where something is opaque, the number grows to a limit, and places
are shaken by noise that fades where something is opaque. Whoever shares a place makes it look as
before (eq. 9). As gsplat 1.5.3's MCMC strategy, but that whatever moved or was copied begins
without moments, not only what it was copied from.
"""

from __future__ import annotations

from math import comb, sqrt

import torch

from drivelab.kernels.splat.ref import rotations
from drivelab.training.reconstruction.model import Model, change
from drivelab.training.reconstruction.settings import Mcmc

_MOST = 51  # copies of one
_STEEP, _AT = 100.0, 0.995  # of the noise's fading with what is left of opacity


def due(step: int, mcmc: Mcmc) -> bool:
    """Whether Gaussians move and are added after a step, counted from 0."""
    return mcmc.first < step < mcmc.last and step % mcmc.every == 0


def burden(model: Model, mcmc: Mcmc) -> torch.Tensor:
    """What makes Gaussians vanish that are not needed: mean opacity and mean scale, weighted."""
    opacity = mcmc.opacity * model.opacities.sigmoid().mean()
    found: torch.Tensor = opacity + mcmc.scale * model.scales.exp().mean()
    return found


def shake(model: Model, mcmc: Mcmc, rate: float, generator: torch.Generator) -> None:
    """Move places by noise of their own shape; `rate` is that of the places now."""
    with torch.no_grad():
        drawn = torch.randn(model.means.shape, generator=generator).to(model.means)
        faint = torch.sigmoid(_STEEP * (1.0 - model.opacities.sigmoid() - _AT))
        turns, sizes = rotations(model.quats), model.scales.exp()
        shaped = torch.einsum("nji,nj->ni", turns, drawn) * sizes**2
        shaped = torch.einsum("nij,nj->ni", turns, shaped)
        model.means += mcmc.noise * rate * faint[:, None] * shaped


def turn(
    model: Model, optimizer: torch.optim.Adam, mcmc: Mcmc, generator: torch.Generator
) -> tuple[int, int]:
    """Move the faint ones to others and add some; returns how many of each."""
    opacity = model.opacities.detach().sigmoid()
    dead = opacity <= mcmc.least_opacity
    if bool(dead.all()):
        return 0, 0
    # Drawn on the CPU, whose generator's numbers are the same on every machine
    dead, opacity = dead.cpu(), opacity.cpu()
    source = torch.arange(len(model))
    chances = torch.where(dead, 0.0, opacity)
    moved = int(dead.sum())
    if moved:
        source[dead] = torch.multinomial(chances, moved, replacement=True, generator=generator)
    wanted = min(mcmc.most, int(mcmc.grow * len(model)))
    added = max(0, wanted - len(model))
    if added:
        more = torch.multinomial(chances, added, replacement=True, generator=generator)
        source = torch.cat([source, more])
    share(model, optimizer, source.to(model.means.device))
    return moved, added


def share(model: Model, optimizer: torch.optim.Adam, source: torch.Tensor) -> None:
    """Put copies of `source` (m,) in the place of all, which together look as each did."""
    counts = torch.bincount(source, minlength=len(model))[source].clamp(max=_MOST)
    opacity = model.opacities.detach().sigmoid().double()[source]
    less = 1.0 - (1.0 - opacity) ** (1.0 / counts)
    shrunk = opacity / _spread(less, counts)
    several = counts > 1

    def rows(name: str, old: torch.Tensor) -> torch.Tensor:
        found = old[source]
        if name == "opacities":
            found = torch.where(several, torch.logit(less, eps=1e-6).to(found), found)
        elif name == "scales":
            found = torch.where(several[:, None], found + shrunk.log()[:, None].to(found), found)
        return found

    def moments(_: str, old: torch.Tensor) -> torch.Tensor:
        found = old[source].clone()
        found[several] = 0.0
        return found

    change(model, optimizer, rows, moments)


def _spread(opacity: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """What N Gaussians of one place and opacity cover along a line, in widths of one: eq. 9."""
    found = torch.zeros_like(opacity)
    for count in counts.unique().tolist():
        own = counts == count
        for i in range(1, count + 1):
            for k in range(i):
                weight = comb(i - 1, k) * (-1.0) ** k / sqrt(k + 1)
                found[own] += weight * opacity[own] ** (k + 1)
    return found
