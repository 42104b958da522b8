"""Gaussians of nodes where these are at a view; cameras where they turned out to be."""

from __future__ import annotations

from dataclasses import replace

import torch

from drivelab.kernels.splat import Cameras, Gaussians
from drivelab.sim.splats.compose import quaternion
from drivelab.training.reconstruction.model import Model
from drivelab.training.reconstruction.views import Nodes


def at_view(scene: Gaussians, model: Model, nodes: Nodes, number: int) -> Gaussians:
    """The scene with its nodes where they are at a view; who is not there covers nothing.

    Means become R m + t and rotations q_pose q, as `drivelab.sim.splats.compose` has it.
    """
    moving = model.nodes.nonzero()[:, 0]
    if not len(moving):
        return scene
    own, means = model.nodes[moving] - 1, scene.means
    poses = nodes.poses[:, number]
    turns = torch.as_tensor(poses[:, :3, :3]).to(means)[own]
    shifts = torch.as_tensor(poses[:, :3, 3]).to(means)[own]
    quats = torch.stack([torch.as_tensor(quaternion(pose[:3, :3])) for pose in poses]).to(means)[
        own
    ]
    placed = torch.einsum("nij,nj->ni", turns, means[moving]) + shifts
    turned = product(quats, scene.quats[moving])
    there = torch.as_tensor(nodes.valid[:, number]).to(means)[own]
    return replace(
        scene,
        means=means.index_copy(0, moving, placed),
        quats=scene.quats.index_copy(0, moving, turned),
        opacities=scene.opacities.index_copy(0, moving, scene.opacities[moving] * there),
    )


def moving(scene: Gaussians, model: Model, nodes: Nodes, number: int) -> Gaussians:
    """Only those of the scene that move and are there at a view, where they are then."""
    own = model.nodes - 1
    valid = torch.as_tensor([*nodes.valid[:, number].tolist(), False], device=own.device)
    chosen = valid[own].nonzero()[:, 0]
    whole = at_view(scene, model, nodes, number)
    names = ("means", "quats", "scales", "opacities", "sh")
    return Gaussians(*(getattr(whole, name)[chosen] for name in names))


def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Products of quaternions wxyz, (n, 4) of each."""
    w, x, y, z = left.unbind(-1)
    rows = [
        torch.stack(row, -1)
        for row in ((w, -x, -y, -z), (x, w, -z, y), (y, z, w, -x), (z, -y, x, w))
    ]
    return torch.einsum("nij,nj->ni", torch.stack(rows, -2), right)


def moved(camera: Cameras, twist: torch.Tensor) -> Cameras:
    """A camera turned [rad] and moved [m] in its own frame by a twist (6,): exp(twist) V."""
    a, b, c, x, y, z = twist.unbind()
    zero = torch.zeros_like(a)
    rows = ((zero, -c, b, x), (c, zero, -a, y), (-b, a, zero, z), (zero, zero, zero, zero))
    step = torch.linalg.matrix_exp(torch.stack([torch.stack(row) for row in rows]))
    views = (step @ torch.as_tensor(camera.views[0]).to(step))[None]
    return Cameras(views, camera.intrinsics, camera.width, camera.height, camera.model)
