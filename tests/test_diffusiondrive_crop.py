"""A training step makes the part of the map that plans read: values and gradients stay."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from drivelab.agents.diffusiondrive.bev_attention import GridSampleCrossBEVAttention  # noqa: E402
from drivelab.agents.diffusiondrive.bev_map import BevMap  # noqa: E402

WIDTH, FINE, POSES, REACH = 12, 5, 8, 16.0


def attention(seed: int) -> GridSampleCrossBEVAttention:
    torch.manual_seed(seed)
    made = GridSampleCrossBEVAttention(WIDTH, POSES, REACH, dropout=0.0).double()
    torch.nn.init.normal_(made.attention_weights.weight)
    return made


def bev_map(rows: int, columns: int) -> BevMap:
    project = torch.nn.Sequential(torch.nn.Linear(WIDTH + FINE, WIDTH), torch.nn.LayerNorm(WIDTH))
    coarse = torch.randn(2, WIDTH, rows // 8, columns // 8).double().requires_grad_()
    fine = torch.randn(2, FINE, rows, columns).double().requires_grad_()
    return BevMap(project.double(), coarse, fine)


def gradients(
    of: GridSampleCrossBEVAttention, queries: torch.Tensor, points: torch.Tensor, bev: BevMap,
    *, whole: bool,
) -> list[torch.Tensor]:  # fmt: skip
    asked = queries.clone().requires_grad_()
    found = of(asked, points, bev.whole() if whole else bev)
    towards = [asked, bev.coarse, bev.fine, *bev.project.parameters(), *of.parameters()]
    return [found.detach(), *torch.autograd.grad(found.square().sum(), towards)]


@pytest.mark.parametrize("middle", [(0.0, 0.0), (9.0, -4.0), (-16.0, 16.0), (40.0, 0.0)])
@pytest.mark.parametrize("spread", [0.0, 1.0, 8.0, 100.0])
def test_it_equals_the_whole_map(middle: tuple[float, float], spread: float) -> None:
    seen = attention(seed=int(spread))
    queries = torch.randn(2, 5, WIDTH).double()
    points = torch.tensor(middle).double() + spread * torch.randn(2, 5, POSES, 2).double()
    bev = bev_map(32, 24)
    parts = gradients(seen, queries, points, bev, whole=False)
    wholes = gradients(seen, queries, points, bev, whole=True)
    for part, full in zip(parts, wholes, strict=True):
        torch.testing.assert_close(part, full, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("coarse", [(4, 3), (1, 1), (5, 7)])
def test_a_part_of_the_map_is_cut_out_of_it(coarse: tuple[int, int]) -> None:
    bev = BevMap(torch.nn.Identity(), torch.randn(2, 3, *coarse), torch.randn(2, 1, 32, 24))
    cells = slice(5, 17), slice(0, 24)
    torch.testing.assert_close(bev.part(cells), bev.whole()[..., cells[0], cells[1]])


def test_it_makes_no_more_than_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, projected = [], []
    part, plain = BevMap.part, torch.nn.functional.conv2d
    monkeypatch.setattr(BevMap, "part", lambda of, to: (asked.append(to), part(of, to))[1])
    monkeypatch.setattr(
        "torch.nn.functional.conv2d",
        lambda x, *rest, **more: (projected.append(x.shape[-2:]), plain(x, *rest, **more))[1],
    )
    points = torch.tensor([[4.2, 0.3]]).double().expand(2, 5, POSES, 2)
    attention(0)(torch.zeros(2, 5, WIDTH).double(), points, bev_map(32, 32))
    assert asked == [(slice(18, 22), slice(14, 18))]  # two cells each way, and one around them
    assert projected == [(4, 4)]
