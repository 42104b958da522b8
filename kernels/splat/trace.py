"""What the gradient of a picture leaves behind for who adds and removes Gaussians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Trace:
    """Filled when the gradient of the pictures it was handed to is taken; None before.

    Attributes:
        pulls: (n,) lengths of the gradients of the Gaussians' places on the pictures, in halves of
            a picture's width and height as gsplat's strategies take them, summed over the cameras.
        drawn: (n,) on how many pictures each one is, hidden or not.
    """

    pulls: Any = None
    drawn: Any = None
