"""Checkpoints as trainers write them, small, made from the facts of their formats; needs torch."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from foreign_splats import some_gaussians

from drivelab.kernels.splat import Gaussians


def logits(opacities: np.ndarray) -> np.ndarray:
    return np.log(opacities / (1.0 - opacities))


def tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def parameter(values: Any) -> torch.nn.Parameter:
    return torch.nn.Parameter(tensor(np.asarray(values, np.float32)))


def gsplat(found: Gaussians) -> dict[str, Any]:
    """`simple_trainer`: the state of a ParameterDict."""
    splats = torch.nn.ParameterDict({
        "means": parameter(found.means), "quats": parameter(3.0 * found.quats),
        "scales": parameter(np.log(found.scales)), "opacities": parameter(logits(found.opacities)),
        "sh0": parameter(found.sh[:, :1]), "shN": parameter(found.sh[:, 1:]),
    })  # fmt: skip
    return {"step": 6999, "splats": splats.state_dict()}


def drivestudio_part(found: Gaussians) -> OrderedDict[str, Any]:
    return OrderedDict(
        _means=tensor(found.means), _scales=tensor(np.log(found.scales)),
        _quats=tensor(found.quats), _features_dc=tensor(found.sh[:, 0]),
        _features_rest=tensor(found.sh[:, 1:]), _opacities=tensor(logits(found.opacities)[:, None]),
    )  # fmt: skip


def drivestudio(frames: int = 4, things: int = 2, rank: int = 4) -> dict[str, Any]:
    """A background, two rigid things that drive along x, a sky whose faces are told apart."""
    nodes = some_gaussians(30 * things, rank, spread=0.5)
    rigid = drivestudio_part(nodes)
    quats = np.zeros((frames, things, 4), np.float32)
    quats[..., 0], quats[..., 3] = np.cos(0.25), np.sin(0.25)  # turned by 0.5 about z
    moved = np.zeros((frames, things, 3), np.float32)
    moved[..., 0] = 2.0 * np.arange(frames)[:, None] + 10.0 * np.arange(things)
    moved[..., 2] = 0.8
    there = np.ones((frames, things), bool)
    there[0, 1] = False
    rigid["instances_quats"], rigid["instances_trans"] = parameter(quats), parameter(moved)
    rigid["points_ids"] = tensor(np.repeat(np.arange(things), 30)[:, None])
    rigid["instances_size"] = tensor(np.tile(np.array([4.5, 1.9, 1.6], np.float32), (things, 1)))
    rigid["instances_fv"] = tensor(there)
    models = {
        "Background": drivestudio_part(some_gaussians(50, rank, seed=1)),
        "RigidNodes": rigid,
        "Sky": OrderedDict(base=tensor(gl_cube())),
        "Affine": torch.nn.Linear(4, 12).state_dict(),
    }
    return {"models": models, "step": 30000, "optimizer": {"state": {}, "param_groups": []}}


def gl_cube(n: int = 4) -> np.ndarray:
    """Each texel its own colour."""
    return np.random.default_rng(5).random((6, n, n, 3)).astype(np.float32)


def street_gaussians_part(found: Gaussians, series: int = 1) -> dict[str, Any]:
    dc = np.random.default_rng(3).normal(size=(len(found), series, 3)).astype(np.float32)
    dc[:, 0] = found.sh[:, 0]
    return {
        "xyz": parameter(found.means), "feature_dc": parameter(dc),
        "feature_rest": parameter(found.sh[:, 1:]), "scaling": parameter(np.log(found.scales)),
        "rotation": parameter(found.quats), "opacity": parameter(logits(found.opacities)[:, None]),
        "semantic": parameter(np.zeros((len(found), 0))),
    }  # fmt: skip


def street_gaussians() -> dict[str, Any]:
    """A background, one object whose colour changes over time, a sky."""
    params = OrderedDict(sky_cube_map=tensor(gl_cube()))
    return {
        "background": street_gaussians_part(some_gaussians(50, 4, seed=1)),
        "obj_007": street_gaussians_part(some_gaussians(200, 4, seed=2, spread=0.5), 5),
        "actor_pose": {"params": OrderedDict(opt_trans=torch.zeros(3, 1, 3))},
        "sky_cubemap": {"params": params},
        "iter": 50000,
    }


def hugsim_parameters(
    found: Gaussians, classes: np.ndarray, *, ground: tuple[Any, ...] | None = None,
    whole: bool = True,
) -> tuple[Any, ...]:  # fmt: skip
    """The tuple of a scene (11), or of a vehicle (9)."""
    parts = (
        3, parameter(found.means), parameter(found.sh[:, :1]), parameter(found.sh[:, 1:]),
        parameter(10.0 * np.eye(20)[classes]), parameter(np.log(found.scales)),
        parameter(found.quats), parameter(logits(found.opacities)[:, None]), np.float64(12.5),
    )  # fmt: skip
    if not whole:
        return parts
    return (*parts, OrderedDict(params=torch.zeros(7)), ground)


def hugsim_ground(found: Gaussians, classes: np.ndarray) -> tuple[Any, ...]:
    """Its eight: two scales only."""
    return (
        3, parameter(found.means), parameter(found.sh[:, :1]), parameter(found.sh[:, 1:]),
        parameter(10.0 * np.eye(20)[classes]), parameter(np.log(found.scales[:, ::2])),
        parameter(found.quats), parameter(logits(found.opacities)[:, None]),
    )  # fmt: skip
