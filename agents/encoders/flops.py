"""Floating-point operations of an image's forward pass, counted from a configuration.

A multiply-add counts as two, as in torch's counter; papers that print "FLOPs" often count it once.
Norms, activations, gates and sums are left out: they grow with the tokens and are few.
"""

from __future__ import annotations

from dataclasses import dataclass

RECURRENCE = 5  # operations an element of a state takes at a token: fade, write (2), read (2)


@dataclass(frozen=True, slots=True)
class Flops:
    """Operations of one image."""

    layers: int = 0  # convolutions and matrix products with weights
    mixing: int = 0  # between tokens: attention, or the recurrence

    @property
    def total(self) -> int:
        """All of them."""
        return self.layers + self.mixing

    def __add__(self, other: Flops) -> Flops:
        return Flops(self.layers + other.layers, self.mixing + other.mixing)

    def __mul__(self, times: int) -> Flops:
        return Flops(self.layers * times, self.mixing * times)


def linear(tokens: int, given: int, made: int) -> Flops:
    """A matrix product with the channels of each token."""
    return Flops(layers=2 * tokens * given * made)


def convolution(cells: int, kernel: int, given: int, made: int) -> Flops:
    """A convolution that makes `cells` cells; `given` channels each output channel reads."""
    return Flops(layers=2 * cells * kernel * kernel * given * made)


def attention(tokens: int, width: int) -> Flops:
    """Scores of all pairs of tokens, and the sums under them, over all heads together."""
    return Flops(mixing=4 * tokens * tokens * width)


def recurrence(tokens: int, heads: int, key: int, value: int, directions: int = 1) -> Flops:
    """Gated scans with a state of key x value channels in each head."""
    return Flops(mixing=RECURRENCE * tokens * heads * key * value * directions)


def cells_after(size: int, kernel: int, stride: int, padding: int) -> int:
    """Cells along one axis behind a convolution."""
    return (size + 2 * padding - kernel) // stride + 1
