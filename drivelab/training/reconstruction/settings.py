"""The numbers of a reconstruction, with the values of gsplat 1.5.3's simple trainer."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from drivelab.kernels.splat import Settings

STRATEGIES = ("default", "mcmc")
_ENDLESS = float("inf")


def _hold(part: Any, prefix: str, **ranges: tuple[float, float]) -> None:
    """Refuse numbers outside their range, which begins at 0 where none is given."""
    for option in fields(part):
        value = getattr(part, option.name)
        least, most = ranges.get(option.name, (0.0, _ENDLESS))
        if not least <= value <= most:
            wanted = f"{least:g} or more" if most == _ENDLESS else f"{least:g} to {most:g}"
            raise ValueError(f"{prefix}.{option.name}={value:g}; expected {wanted}")


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates of Adam.

    Attributes:
        means: times the extent of the scene [1/m]; falls to `means_fall` of it by the last step.
        means_fall: see above.
        quats: of the unnormalised quaternions.
        scales: of their logarithms.
        opacities: of their logits.
        sh_first: of the coefficients of degree 0.
        sh_rest: of the other ones.
        sky: of its texels.
        exposure: of the logarithms of each camera's, where there are several; 0: all have one.
        twists: of the poses of views that are learned from [rad, m]; 0: they are as they are said.
    """

    means: float = 1.6e-4
    means_fall: float = 0.01
    quats: float = 1e-3
    scales: float = 5e-3
    opacities: float = 5e-2
    sh_first: float = 2.5e-3
    sh_rest: float = 2.5e-3 / 20
    sky: float = 1e-2
    exposure: float = 0.0
    twists: float = 0.0

    def __post_init__(self) -> None:
        # Beyond 1 a step of Adam throws away what it learns: most numbers are logarithms or logits
        _hold(self, "rates", **{option.name: (0.0, 1.0) for option in fields(self)})


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the losses; those that the pictures bring nothing for are left out.

    Attributes:
        dissimilarity: of 1 - SSIM; the rest of 1 is that of the absolute error of colours.
        depth: of the absolute error of depths where one was measured [1/m] (DriveStudio).
        sky: of the cross entropy between cover and what is no sky (DriveStudio).
        slenderness: of what a Gaussian's longest axis is above ten times its shortest one,
            every tenth step (DriveStudio).
        roughness: of bends in the corrections of poses along a drive, where poses are learned
            (DriveStudio).
        entropy: of the cover by what moves, once the number of Gaussians is settled (Street
            Gaussians).
    """

    dissimilarity: float = 0.2
    depth: float = 0.01
    sky: float = 0.05
    slenderness: float = 1.0
    roughness: float = 0.01
    entropy: float = 0.1

    def __post_init__(self) -> None:
        _hold(self, "weights", dissimilarity=(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Density:
    """When Gaussians are copied, split and removed: gsplat's default strategy.

    Attributes:
        first: nothing happens up to this step.
        last: nothing happens from this step on.
        every: steps between two turns.
        reset_every: steps after which opacities fall to twice `least_opacity`.
        pull: mean gradient of the place on the picture, in half widths, above which one grows.
        small: share of the extent of the scene up to which one is copied, and split beyond.
        least_opacity: below it one is removed.
        large: share of the extent beyond which one is removed, once opacities were reset.
    """

    first: int = 500
    last: int = 15_000
    every: int = 100
    reset_every: int = 3000
    pull: float = 2e-4
    small: float = 0.01
    least_opacity: float = 0.005
    large: float = 0.1

    def __post_init__(self) -> None:
        endless = (1, _ENDLESS)
        _hold(self, "density", every=endless, reset_every=endless, least_opacity=(1e-6, 0.49))


@dataclass(frozen=True, slots=True)
class Mcmc:
    """How Gaussians move and multiply as samples (arXiv 2404.09591), as in gsplat 1.5.3.

    Attributes:
        first: nothing happens up to this step.
        last: nothing happens from this step on.
        every: steps between two turns.
        most: Gaussians at most.
        grow: times their number after a turn.
        noise: times the rate of the means.
        least_opacity: of what stays where it is.
        opacity: weight of the mean opacity in the loss.
        scale: weight of the mean scale in the loss [1/m].
    """

    first: int = 500
    last: int = 25_000
    every: int = 100
    most: int = 1_000_000
    grow: float = 1.05
    noise: float = 5e5
    least_opacity: float = 0.005
    opacity: float = 0.01
    scale: float = 0.01

    def __post_init__(self) -> None:
        endless = (1, _ENDLESS)
        _hold(self, "mcmc", every=endless, most=endless, grow=endless, least_opacity=(1e-6, 0.99))


@dataclass(frozen=True, slots=True)
class ReconstructionSettings:
    """A reconstruction.

    Attributes:
        steps: pictures that are learned from, one at a time.
        seed: of the order of the pictures and of what is split.
        degree: of the harmonics in the end.
        degree_every: steps after which one more degree is learned.
        opacity: of the first Gaussians.
        texels: along an edge of the sky's six faces; 0: no sky.
        hold_out: every so many-th view is held out, from the first on; 0 is none.
        save_every: steps between two checkpoints.
        rates: of learning.
        weights: of the losses.
        strategy: which of the following decides on the number of Gaussians, "default" or "mcmc".
        density: of the default one.
        mcmc: of the other.
        render: how they are drawn.
    """

    steps: int = 30_000
    seed: int = 0
    degree: int = 3
    degree_every: int = 1000
    opacity: float = 0.1
    texels: int = 0
    hold_out: int = 8
    save_every: int = 1000
    rates: Rates = field(default_factory=Rates)
    weights: Weights = field(default_factory=Weights)
    strategy: str = "default"
    density: Density = field(default_factory=Density)
    mcmc: Mcmc = field(default_factory=Mcmc)
    render: Settings = field(default_factory=Settings)

    @property
    def settled(self) -> int:
        """Step from which on the number of Gaussians stays as it is."""
        return self.mcmc.last if self.strategy == "mcmc" else self.density.last

    def __post_init__(self) -> None:
        for name in ("steps", "degree_every", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}; expected 1 or more")
        if self.strategy not in STRATEGIES:
            raise ValueError(f"strategy={self.strategy!r}; expected {' or '.join(STRATEGIES)}")
        if self.degree not in (0, 1, 2, 3):
            raise ValueError(f"degree={self.degree}; expected 0 to 3")
        chosen = self.mcmc if self.strategy == "mcmc" else self.density
        if not chosen.least_opacity < self.opacity < 1.0:
            raise ValueError(
                f"opacity={self.opacity}; expected above least_opacity={chosen.least_opacity}, "
                "below which Gaussians are given up, and below 1"
            )
        if self.texels < 0 or self.texels == 1:
            raise ValueError(f"texels={self.texels}; expected 0, or 2 and more")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}; expected 0 or more")
        if self.hold_out < 0 or self.hold_out == 1:
            raise ValueError(f"hold_out={self.hold_out}; expected 0, or 2 and more")
