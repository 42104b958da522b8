"""Time, memory and arithmetic of whole encoders over image sizes, each in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from drivelab.agents.encoders import encoder_flops
from drivelab.errors import RunError
from drivelab.speed.row import Row

PIXELS = (224, 512, 1024)
JOB = "features of one image"
# Name -> (encoder, options). ViT-T with softmax written out is what ViG's paper compares with; with
# torch's fused attention it is what a user has today.
RUNNERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "vig_t": ("vig_t", {}),
    "vit_t": ("vit_t", {}),
    "vit_t_explicit": ("vit_t", {"attention": "explicit"}),
    "vig_s": ("vig_s", {}),
    "vit_s": ("vit_s", {}),
    "vig_h_t": ("vig_h_t", {}),
    "resnet18": ("resnet18", {}),
    "resnet34": ("resnet34", {}),
}
NAMES = tuple(RUNNERS)
USUAL = ("vig_t", "vit_t", "vit_t_explicit")
# Asked of vig_t at 1024 pixels on the CPU: times as fast, and times less peak memory.
ASKED = {"vit_t_explicit": (6.0, 5.0), "vit_t": (2.2, 1.0)}


def measure(
    names: Sequence[str], pixels: Sequence[int], device: str, dtype: torch.dtype
) -> Iterator[Row]:
    """Rows as they are found."""
    for size in pixels:
        for name in names:
            encoder, options = RUNNERS[name]
            took = _trial(encoder, options, size, device, dtype)
            yield Row(
                job=JOB,
                size=size,
                runner=name,
                ms=took["ms"],
                mb=took["mb"],
                work=encoder_flops(encoder, size, size).total / 1e9,
            )


def comparisons(rows: Sequence[Row]) -> list[str]:
    """How `vig_t` stands beside attention at each size, and what was asked of it."""
    told = []
    found = {(row.runner, row.size): row for row in rows}
    for (runner, size), row in found.items():
        mine = found.get(("vig_t", size))
        if runner not in ASKED or mine is None:
            continue
        text = f"vig_t beside {runner} at {size} pixels: {row.ms / mine.ms:.2f} x as fast"
        if row.mb and mine.mb:
            text += f", {row.mb / mine.mb:.2f} x less memory"
        if size == 1024:
            text += f" (asked: {ASKED[runner][0]:g} x, {ASKED[runner][1]:g} x)"
        told.append(text)
    return told


def _trial(
    encoder: str, options: dict[str, Any], pixels: int, device: str, dtype: torch.dtype
) -> dict[str, Any]:
    words = {
        "encoder": encoder,
        "options": options,
        "pixels": pixels,
        "device": device,
        "dtype": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
    }
    done = subprocess.run(
        [sys.executable, "-m", "drivelab.speed.encoder_trial", json.dumps(words)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise RunError(f"{encoder} at {pixels} pixels ended with {done.returncode}: {last[0]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
