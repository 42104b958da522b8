"""Attention without keys and values of each token: outputs and gradients of torch's own."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from drivelab.agents.rad.few_queries import attend, pays  # noqa: E402

pytestmark = pytest.mark.nn


@pytest.mark.parametrize(("queries", "tokens", "heads"), [(1, 49, 4), (3, 7, 2), (1, 1, 1)])
def test_it_equals_attention_with_keys_and_values(queries: int, tokens: int, heads: int) -> None:
    torch.manual_seed(queries)
    plain = torch.nn.MultiheadAttention(16, heads, batch_first=True).double()
    torch.nn.init.normal_(plain.in_proj_bias)
    torch.nn.init.normal_(plain.out_proj.bias)
    query = torch.randn(5, queries, 16).double().requires_grad_()
    seen = torch.randn(5, tokens, 16).double().requires_grad_()
    absent = torch.rand(5, tokens) < 0.4
    absent[:, 0] = False
    expected = plain(query, seen, seen, key_padding_mask=absent, need_weights=False)[0]
    found = attend(plain, query, seen, absent)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    towards = [query, seen, *plain.parameters()]
    pull = torch.randn_like(expected)
    for one, other in zip(
        torch.autograd.grad((found * pull).sum(), towards),
        torch.autograd.grad((expected * pull).sum(), towards),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_it_pays_while_queries_are_few() -> None:
    attention = torch.nn.MultiheadAttention(64, 4, batch_first=True)
    assert [pays(attention, queries) for queries in (1, 15, 16, 256)] == [True, True, False, False]
