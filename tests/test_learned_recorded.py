"""A plan on a GPU can be recorded: nothing in it waits for the device or brings numbers to it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from torch.overrides import TorchFunctionMode  # noqa: E402

from drivelab.agents.diffusiondrive.agent import FAMILY as DIFFUSIONDRIVE  # noqa: E402
from drivelab.agents.diffusiondrive.fast import FastDiffusionDrive  # noqa: E402
from drivelab.agents.learned.recorded import RecordedNetwork  # noqa: E402
from drivelab.agents.transfuser.agent import FAMILY as TRANSFUSER  # noqa: E402
from drivelab.agents.transfuser.fast import FastTransfuser  # noqa: E402

SMALL = {
    "camera": (32, 64), "lidar": (64, 64), "image_depths": (1, 1, 1, 1), "bev_channels": 8,
    "image_widths": (8, 8, 8, 8), "lidar_widths": (8, 8, 8, 8), "width": 16, "hidden": 16,
    "heads": 2,
}  # fmt: skip
WAITING = {
    "item", "tolist", "nonzero", "unique", "__bool__", "__int__", "__float__", "cpu", "numpy",
    "tensor", "as_tensor", "new_tensor",
}  # fmt: skip
KINDS = {
    "truncated": (DIFFUSIONDRIVE, FastDiffusionDrive, {}),
    "vanilla": (DIFFUSIONDRIVE, FastDiffusionDrive, {"diffusion": "vanilla"}),
    "transfuser": (TRANSFUSER, FastTransfuser, {}),
}


class Watched(TorchFunctionMode):
    """Notes what a recording could not hold: waiting for values, and numbers made elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in WAITING:
            self.found.append(name)
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.device.type != "meta":
            self.found.append(f"{name} on {made.device}")
        return made


def network(kind: str, device: str):
    family, fast, changes = KINDS[kind]
    torch.manual_seed(0)
    made = fast(family.make(family.preset("mini", {**SMALL, **changes})), packed=False)
    return made.to(device)


def features(device: str, rows: int = 2):
    return {
        "camera_feature": torch.rand(rows, 3, 32, 64, device=device),
        "lidar_feature": torch.rand(rows, 1, 64, 64, device=device),
        "status_feature": torch.rand(rows, 8, device=device),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_in_a_plan_waits_for_the_device(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *kind: False)  # "meta" knows none
    planner = network(kind, "meta")
    drawn = {name: value.to("meta") for name, value in network(kind, "cpu").drawn(2).items()}
    with torch.inference_mode(), Watched() as watched:
        found = planner.plan(features("meta"), **drawn)
    assert found["trajectory"].shape == (2, 8, 3)
    assert watched.found == []


def test_the_watch_sees_what_waits() -> None:
    with Watched() as watched:
        torch.ones(2, device="meta").new_tensor([1.0, 2.0])
        torch.zeros(1)
        torch.ones(1, device="cpu").item()
    assert watched.found == ["new_tensor", "zeros on cpu", "ones on cpu", "item"]


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_a_replay_plans_the_same(kind: str) -> None:
    planner = network(kind, "cuda")
    recorded = RecordedNetwork(planner)
    for rows in (1, 3, 1):
        given = features("cuda", rows)
        for name, value in recorded(given).items():
            torch.testing.assert_close(value, planner(given)[name])
