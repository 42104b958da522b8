"""A training step projects the part of the map that plans read: values and gradients stay."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from drivelab.agents.diffusiondrive.bev_attention import GridSampleCrossBEVAttention  # noqa: E402

WIDTH, POSES, REACH = 12, 8, 16.0


def attention(seed: int) -> GridSampleCrossBEVAttention:
    torch.manual_seed(seed)
    made = GridSampleCrossBEVAttention(WIDTH, POSES, REACH, dropout=0.0).double()
    torch.nn.init.normal_(made.attention_weights.weight)
    return made


def gradients(
    of: GridSampleCrossBEVAttention, queries: torch.Tensor, points: torch.Tensor, bev: torch.Tensor
) -> list[torch.Tensor]:
    of.zero_grad()
    asked = [queries.clone().requires_grad_(), bev.clone().requires_grad_()]
    found = of(asked[0], points, asked[1])
    found.square().sum().backward()
    return [found.detach(), *(x.grad for x in asked), *(p.grad for p in of.parameters())]


@pytest.mark.parametrize("middle", [(0.0, 0.0), (9.0, -4.0), (-16.0, 16.0), (40.0, 0.0)])
@pytest.mark.parametrize("spread", [0.0, 1.0, 8.0, 100.0])
def test_it_equals_the_whole_map(middle: tuple[float, float], spread: float) -> None:
    seen = attention(seed=int(spread))
    queries = torch.randn(2, 5, WIDTH).double()
    points = torch.tensor(middle).double() + spread * torch.randn(2, 5, POSES, 2).double()
    bev = torch.randn(2, WIDTH, 32, 24).double()
    cropped = gradients(seen.train(), queries, points, bev)
    whole = gradients(seen.eval(), queries, points, bev)
    for part, full in zip(cropped, whole, strict=True):
        torch.testing.assert_close(part, full, rtol=1e-9, atol=1e-9)


def test_it_projects_no_more_than_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    plain = torch.nn.functional.conv2d
    monkeypatch.setattr(
        "torch.nn.functional.conv2d",
        lambda x, *rest, **more: (sizes.append(tuple(x.shape[-2:])), plain(x, *rest, **more))[1],
    )
    points = torch.tensor([[4.2, 0.3]]).double().expand(2, 5, POSES, 2)
    attention(0).train()(
        torch.zeros(2, 5, WIDTH).double(), points, torch.zeros(2, WIDTH, 32, 32).double()
    )
    assert sizes == [(4, 4)]  # two cells each way, and one around them
