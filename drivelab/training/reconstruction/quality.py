"""How well views are met that were not learned from, beside copying the nearest one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from drivelab.training.reconstruction.losses import psnr, ssim
from drivelab.training.reconstruction.views import Views, split


@dataclass(frozen=True, slots=True)
class Quality:
    """Of views that were not learned from, colours held to 0..1; NaN where there are none.

    Attributes:
        psnr: mean over the views [dB].
        ssim: mean over the views.
        views: how many.
    """

    psnr: float
    ssim: float
    views: int


def judged(views: Views, numbers: Sequence[int], picture: Callable[[int], torch.Tensor]) -> Quality:
    """Hold pictures (h, w, 3), colours 0..1, against those that were taken."""
    found = []
    for number in numbers:
        seen, image = picture(number), torch.as_tensor(views.images[number])
        found.append((float(psnr(seen, image)), float(ssim(seen, image))))
    means = np.mean(found, 0) if found else (np.nan, np.nan)
    return Quality(float(means[0]), float(means[1]), len(found))


def copied(views: Views, hold_out: int) -> Quality:
    """What showing the nearest learned view instead would reach: the bar to clear."""
    learned, held = split(views, hold_out)

    def picture(number: int) -> torch.Tensor:
        return torch.as_tensor(views.images[nearest(views, learned, number)])

    return judged(views, held.tolist(), picture)


def nearest(views: Views, learned: np.ndarray, number: int) -> int:
    """The learned view whose eye is nearest to a view's, of the same camera where there is one."""
    own = learned
    if views.groups is not None and (views.groups[learned] == views.groups[number]).any():
        own = learned[views.groups[learned] == views.groups[number]]
    away = np.linalg.norm(views.eyes[own] - views.eyes[number], axis=1)
    return int(own[away.argmin()])
