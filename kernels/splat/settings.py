"""The numbers of a rasteriser, with the values of gsplat 1.5.3."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_ALPHA = 1.0 / 255.0  # what covers less of a pixel is not drawn
LEAST_LIGHT = 1e-4  # a pixel through which less light would come is finished
WIDEST = 3.33  # standard deviations that an extent may have
CONVENTIONS = ("gsplat", "inria")


@dataclass(frozen=True, slots=True)
class Settings:
    """How Gaussians become pixels.

    Attributes:
        near: least depth that is drawn [m].
        far: largest depth that is drawn [m].
        blur: added to the variances on the image [px^2].
        antialiased: whether what `blur` adds to a Gaussian's area is taken from its opacity.
        alpha_max: what one Gaussian covers at most; 0.99 in the original code and newer gsplat.
        min_radius_px: Gaussians whose two radii are not above it are left out.
        prune_opacity: Gaussians of less opacity are left out.
        background: red, green, blue behind everything, or None = black.
        sh_degree: of the colours, at most; None = as stored.
        convention: "gsplat", or "inria" for scenes trained with the Jacobian's clamp about the
            optical axis.
    """

    near: float = 0.01
    far: float = 1e10
    blur: float = 0.3
    antialiased: bool = False
    alpha_max: float = 0.999
    min_radius_px: float = 0.0
    prune_opacity: float = 0.0
    background: tuple[float, float, float] | None = None
    sh_degree: int | None = None
    convention: str = "gsplat"

    def __post_init__(self) -> None:
        if self.convention not in CONVENTIONS:
            raise ValueError(f"convention={self.convention!r}; expected {' or '.join(CONVENTIONS)}")
        if not 0.0 < self.near < self.far:
            raise ValueError(f"near={self.near}, far={self.far}; expected 0 < near < far")
        if not 0.0 < self.alpha_max < 1.0:
            raise ValueError(f"alpha_max={self.alpha_max}; expected between 0 and 1")
        if self.sh_degree not in (None, 0, 1, 2, 3):
            raise ValueError(f"sh_degree={self.sh_degree}; expected 0 to 3, or None")
        for name in ("blur", "min_radius_px", "prune_opacity"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name}={getattr(self, name)}; expected 0 or more")
        if self.background is not None and len(self.background) != 3:
            raise ValueError(f"background={self.background}; expected red, green, blue")


def clamps(settings: Settings, width: float, focal: float, centre: float) -> tuple[float, float]:
    """Bounds of x/z (or y/z) within which the Jacobian of a pinhole is taken."""
    if settings.convention == "inria":
        bound = 1.3 * (0.5 * width) / focal
        return -bound, bound
    margin = 0.15 * width / focal
    return -centre / focal - margin, (width - centre) / focal + margin
