"""The numbers of a scene that learn, and Adam's memory of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from drivelab.kernels.splat import Gaussians
from drivelab.kernels.splat.harmonics import C0
from drivelab.training.reconstruction.settings import Rates

FIELDS = ("means", "quats", "scales", "opacities", "sh_first", "sh_rest")
BESIDE = ("sky", "exposure", "twists")
_ALONE = 0.05  # size of the one Gaussian of a node [m]


@dataclass(frozen=True, slots=True)
class Beside:
    """What learns beside Gaussians; 0 of something is none.

    Attributes:
        texels: along an edge of the sky's faces.
        cameras: whose exposures are learned.
        views: whose poses are learned.
    """

    texels: int = 0
    cameras: int = 0
    views: int = 0


class Model(torch.nn.Module):
    """n Gaussians in numbers that may take any value, and what is learned beside them.

    Parameters: means (n, 3) [m], quats (n, 4) wxyz of any length, scales (n, 3) logarithms,
    opacities (n,) logits, sh_first (n, 1, 3), sh_rest (n, 15, 3); sky (6, m, m, 3), with m = 0 for
    none; exposure (c, 3), logarithms of what each camera multiplies colours by, above their mean;
    twists (v, 6), by which the camera of each view is turned [rad] and moved [m] from where it was
    said to be. Buffers: nodes (n,), whose frame each one lies in, 0 the scene's; seen (n,),
    whether any view ever pulled at it; pulls and drawn (n,), what has been gathered of `Trace`
    since Gaussians were last added and removed.
    """

    def __init__(self, count: int, beside: Beside | None = None) -> None:
        super().__init__()
        beside = beside or Beside()
        shapes = ((3,), (4,), (3,), (), (1, 3), (15, 3))
        for name, shape in zip(FIELDS, shapes, strict=True):
            self.register_parameter(name, torch.nn.Parameter(torch.zeros(count, *shape)))
        edge = beside.texels
        self.sky = torch.nn.Parameter(torch.full((6, edge, edge, 3), 0.5))
        self.exposure = torch.nn.Parameter(torch.zeros(beside.cameras, 3))
        self.twists = torch.nn.Parameter(torch.zeros(beside.views, 6))
        self.register_buffer("nodes", torch.zeros(count, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros(count, dtype=torch.bool))
        self.register_buffer("pulls", torch.zeros(count))
        self.register_buffer("drawn", torch.zeros(count))

    def __len__(self) -> int:
        return int(self.means.shape[0])

    def gaussians(self, degree: int) -> Gaussians:
        """All Gaussians, each in the frame of its node, with harmonics up to a degree."""
        count = (degree + 1) ** 2 - 1
        # The gradient of a part is a copy of the whole
        rest = self.sh_rest if count == self.sh_rest.shape[1] else self.sh_rest[:, :count]
        sh = torch.cat([self.sh_first, rest], 1) if count else self.sh_first
        return Gaussians(
            self.means, self.quats, self.scales.exp(), self.opacities.sigmoid(), sh
        )  # fmt: skip

    @staticmethod
    def of_points(
        points: np.ndarray, colours: np.ndarray, opacity: float, *,
        nodes: np.ndarray | None = None, beside: Beside | None = None,
    ) -> Model:  # fmt: skip
        """A ball at each point, as large as the root mean square distance to three neighbours.

        Args:
            points: (n, 3) in the scene's frame [m], four or more.
            colours: (n, 3) 0..1.
            opacity: of each.
            nodes: (n,) in whose frame each lies, 0 the scene's; None: all in the scene's.
            beside: what else learns.
        """
        if len(points) < 4 or points.shape != (len(points), 3) or colours.shape != points.shape:
            raise ValueError(
                f"points have the shape {points.shape}, colours {colours.shape}; expected (n, 3) "
                "of both, with 4 points or more"
            )
        nodes = np.zeros(len(points), int) if nodes is None else nodes
        size = _sizes(points, nodes)
        model = Model(len(points), beside)
        model.nodes = torch.as_tensor(nodes)
        with torch.no_grad():
            model.means.copy_(torch.as_tensor(points))
            model.quats[:, 0] = 1.0
            model.scales.copy_(torch.as_tensor(np.log(size))[:, None].expand(-1, 3))
            model.opacities.fill_(float(np.log(opacity / (1.0 - opacity))))
            model.sh_first.copy_(torch.as_tensor((colours - 0.5) / C0)[:, None])
        return model


def _sizes(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """(n,) root mean square distances to three neighbours of the same node [m]."""
    found = np.empty(len(points))
    for node in np.unique(nodes).tolist():
        own = nodes == node
        count = min(4, int(own.sum()))
        apart = cKDTree(points[own]).query(points[own], k=range(1, count + 1))[0][:, 1:]
        found[own] = np.sqrt((apart**2).mean(1)) if count > 1 else _ALONE
    return found.clip(1e-7)


def optimizer_of(model: Model, rates: Rates, extent: float) -> torch.optim.Adam:
    """Adam with a rate for each field; `extent` of the scene [m]."""
    found = {name: getattr(rates, name) * (extent if name == "means" else 1) for name in FIELDS}
    found |= {name: getattr(rates, name) for name in BESIDE if getattr(model, name).numel()}
    groups = [{"params": [getattr(model, n)], "lr": rate, "name": n} for n, rate in found.items()]
    return torch.optim.Adam(groups, eps=1e-15, betas=(0.9, 0.999), fused=True)


def change(
    model: Model,
    optimizer: torch.optim.Adam,
    rows: Callable[[str, torch.Tensor], torch.Tensor],
    moments: Callable[[str, torch.Tensor], torch.Tensor],
) -> None:
    """Put other rows in the place of all fields, and of their moments in Adam's memory.

    Args:
        model: is changed.
        optimizer: is changed.
        rows: name and old values -> new ones.
        moments: name and old moments -> new ones.
    """
    for group in optimizer.param_groups:
        name, (old,) = group["name"], group["params"]
        if name not in FIELDS:
            continue
        new = torch.nn.Parameter(rows(name, old.detach()))
        state = optimizer.state.pop(old, {})
        if state:
            kept = {key: moments(name, state[key]) for key in ("exp_avg", "exp_avg_sq")}
            optimizer.state[new] = {**state, **kept}
        group["params"] = [new]
        setattr(model, name, new)
    model.nodes, model.seen = rows("nodes", model.nodes), rows("seen", model.seen)
    count = len(model)
    model.pulls, model.drawn = (torch.zeros(count).to(model.means) for _ in range(2))
