"""The definition: Gaussian splatting in float64 by torch, differentiable in all that it is given.

Elliptical weighted average splatting (Zwicker et al. 2001; Kerbl et al. 2023, arXiv 2308.04079)
with the conventions of gsplat 1.5.3. Clamps and skips have no gradient; neither radii nor the
choices to skip and to stop are differentiated.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from drivelab.kernels.splat.harmonics import basis
from drivelab.kernels.splat.modes import Modes
from drivelab.kernels.splat.scene import COEFFICIENTS, Cameras, Gaussians
from drivelab.kernels.splat.settings import LEAST_ALPHA, LEAST_LIGHT, WIDEST, Settings, clamps

TILE = 16  # pixels a side that are composited at once
HALF = 0.5  # of the light


class Splats(NamedTuple):
    """Gaussians on the image of one camera; rows of the invisible ones are filler."""

    centres: Any  # (n, 2) px
    conics: Any  # (n, 3) a, b, c of the inverse covariance [[a, b], [b, c]]
    opacities: Any  # (n,) after antialiasing
    colours: Any  # (n, 3)
    depths: Any  # (n,) m
    radii: Any  # (n, 2) px, whole numbers
    visible: Any  # (n,) bool
    labels: Any  # (n,)


def render(
    gaussians: Gaussians, cameras: Cameras, settings: Settings, modes: Modes
) -> tuple[Any, Any, Any, Any]:
    """Colours (c, h, w, 3), sums of depths (c, h, w), covers (c, h, w), float64; labels uint8."""
    pictures = [
        composite(project(gaussians, cameras, n, settings, modes.labels), cameras, settings)
        for n in range(len(cameras))
    ]
    if not pictures:
        size = (0, cameras.height, cameras.width)
        flat = torch.zeros(size).double()
        return torch.zeros(*size, 3).double(), flat, flat, flat.byte()
    colours, depths, covers, labels = (torch.stack(part) for part in zip(*pictures, strict=True))
    return colours, depths, covers, labels


def project(
    gaussians: Gaussians, cameras: Cameras, camera: int, settings: Settings, labels: Any = None
) -> Splats:
    """The Gaussians on one camera's image."""
    means, quats, scales, opacities = (
        torch.as_tensor(x).double()
        for x in (gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities)
    )
    view = torch.as_tensor(cameras.views).double()[camera]
    intrinsic = torch.as_tensor(cameras.intrinsics).double()[camera]
    turn = view[:3, :3]
    points = means @ turn.T + view[:3, 3]
    depths = points[:, 2]
    near = (depths >= settings.near) & (depths <= settings.far)
    # What lies behind would divide by 0, and 0 times infinity is no gradient.
    safe = torch.where(near[:, None], points, points.new_tensor([0.0, 0.0, 1.0]))
    centres, jacobians = _on_image(safe, intrinsic, cameras, settings)
    axes = turn @ rotations(quats) * scales[:, None, :]
    spread = jacobians @ axes
    sharp = spread @ spread.mT
    blurred = sharp + settings.blur * torch.eye(2).double()
    area = torch.linalg.det(blurred)
    if settings.antialiased:
        ratio = (torch.linalg.det(sharp) / area.clamp(min=1e-300)).clamp(min=0.0)
        seen = ratio > 0  # the root of 0 has no gradient
        opacities = opacities * torch.where(seen, torch.where(seen, ratio, 1.0).sqrt(), 0.0)
    drawn = near & (opacities >= max(LEAST_ALPHA, settings.prune_opacity)) & (area > 0)
    conics = torch.stack([blurred[:, 1, 1], -blurred[:, 0, 1], blurred[:, 0, 0]], 1)
    conics = conics / torch.where(drawn, area, 1.0)[:, None]
    extent = (2.0 * (255.0 * opacities.detach().clamp(min=LEAST_ALPHA)).log()).sqrt()
    deviations = blurred.detach().diagonal(dim1=1, dim2=2).sqrt()
    radii = torch.ceil(extent.clamp(max=WIDEST)[:, None] * deviations)
    size = torch.tensor([cameras.width, cameras.height]).double()
    inside = ((centres + radii > 0) & (centres - radii < size)).all(1)
    drawn = drawn & inside & (radii > settings.min_radius_px).any(1)
    colours = _colours(gaussians, means, view, settings)
    names = torch.zeros(len(means)) if labels is None else torch.as_tensor(labels)
    return Splats(centres, conics, opacities, colours, depths, radii, drawn, names.double())


def rotations(quats: Any) -> Any:
    """Matrices (n, 3, 3) of quaternions wxyz (n, 4) of any length."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def composite(splats: Splats, cameras: Cameras, settings: Settings) -> tuple[Any, Any, Any, Any]:
    """Colour (h, w, 3), sum of depths, cover and label (h, w) of one picture."""
    order = torch.argsort(splats.depths[splats.visible].detach(), stable=True)
    splats = Splats(*(part[splats.visible][order] for part in splats))
    rows = []
    for top in range(0, cameras.height, TILE):
        tiles = [
            _tile(splats, left, top, cameras, settings) for left in range(0, cameras.width, TILE)
        ]
        rows.append(torch.cat(tiles, 1))
    picture = torch.cat(rows, 0)
    return picture[..., :3], picture[..., 3], picture[..., 4], picture[..., 5].byte()


def _tile(splats: Splats, left: int, top: int, cameras: Cameras, settings: Settings) -> Any:
    """Red, green, blue, depth, cover and label of a tile's pixels, front to back.

    The label is that of the Gaussian behind which no more than half of the light is left.
    """
    right, bottom = min(left + TILE, cameras.width), min(top + TILE, cameras.height)
    low, high = splats.centres - splats.radii, splats.centres + splats.radii
    touch = (high[:, 0] > left) & (low[:, 0] < right) & (high[:, 1] > top) & (low[:, 1] < bottom)
    near = Splats(*(part[touch] for part in splats))
    x = torch.arange(left, right).double() + 0.5
    y = torch.arange(top, bottom).double() + 0.5
    dx = x[None, :, None] - near.centres[:, 0]
    dy = y[:, None, None] - near.centres[:, 1]
    a, b, c = near.conics.unbind(1)
    power = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
    alphas = (near.opacities * torch.exp(-power)).clamp(max=settings.alpha_max)
    alphas = torch.where((power >= 0) & (alphas >= LEAST_ALPHA), alphas, 0.0)
    behind = torch.cumprod(1.0 - alphas, -1)
    alphas = torch.where(
        behind > LEAST_LIGHT, alphas, 0.0
    )  # light only falls: all that follow stop
    behind = torch.cumprod(1.0 - alphas, -1)
    ahead = torch.nn.functional.pad(behind, (1, 0), value=1.0)
    weights = alphas * ahead[..., :-1]
    left_over = ahead[..., -1:]
    colour = weights @ near.colours
    if settings.background is not None:
        colour = colour + left_over * torch.tensor(settings.background).double()
    halved = (behind <= HALF) & (ahead[..., :-1] > HALF)
    label = halved.double() @ near.labels[:, None]
    return torch.cat([colour, weights @ near.depths[:, None], 1.0 - left_over, label], -1)


def _colours(gaussians: Gaussians, means: Any, view: Any, settings: Settings) -> Any:
    sh = torch.as_tensor(gaussians.sh).double()
    degree = COEFFICIENTS[sh.shape[1]]
    degree = degree if settings.sh_degree is None else min(degree, settings.sh_degree)
    eye = torch.linalg.inv(view)[:3, 3]  # its gradient counts poses that are no rotation, too
    x, y, z = torch.nn.functional.normalize(means - eye, dim=-1).unbind(-1)
    values = torch.stack(basis(x, y, z, degree), -1)
    return ((values[..., None] * sh[:, : values.shape[-1]]).sum(1) + 0.5).clamp(min=0.0)


def _on_image(points: Any, intrinsic: Any, cameras: Cameras, settings: Settings) -> tuple[Any, Any]:
    """Centres (n, 2) and Jacobians (n, 2, 3) of the projection of camera points (n, 3)."""
    focal, centre = intrinsic.diagonal()[:2], intrinsic[:2, 2]
    xy, z = points[:, :2], points[:, 2:]
    if cameras.model == "ortho":
        flat = torch.diag_embed(focal)[None].expand(len(points), 2, 2)
        return xy * focal + centre, torch.cat([flat, torch.zeros_like(flat[..., :1])], -1)
    if cameras.model == "fisheye":
        return _equidistant(points, focal, centre)
    slopes = xy / z
    size = (cameras.width, cameras.height)
    held = torch.stack(
        [
            slopes[:, n].clamp(*clamps(settings, size[n], *lens))
            for n, lens in enumerate(torch.stack([focal, centre], 1).tolist())
        ],
        1,
    )
    last = -focal * held / z
    straight = torch.diag_embed(focal / z)
    return slopes * focal + centre, torch.cat([straight, last[..., None]], -1)


def _equidistant(points: Any, focal: Any, centre: Any) -> tuple[Any, Any]:
    x, y, z = points.unbind(1)
    flat = x * x + y * y
    on_axis = flat < 1e-12 * z * z
    flat = torch.where(on_axis, 1e-12 * z * z, flat)
    radius, full = flat.sqrt(), flat + z * z
    angle = torch.atan2(radius, z)
    stretch = angle / radius
    along = z / (flat * full)  # how fast the angle grows outwards, over the radius squared
    across = stretch / flat
    mixed = x * y * (along - across)
    jacobian = torch.stack(
        [
            x * x * along + y * y * across, mixed, -x / full,
            mixed, y * y * along + x * x * across, -y / full,
        ],
        -1,
    ).unflatten(-1, (2, 3))  # fmt: skip
    axis = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).double() / z[:, None, None]
    jacobian = torch.where(on_axis[:, None, None], axis, jacobian)
    return points[:, :2] * stretch[:, None] * focal + centre, jacobian * focal[:, None]
