"""One encoder on one image in a process of its own, so that its memory is its own.

Run: `python -m drivelab.speed.encoder_trial JSON` with the arguments of `trial`; prints JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch

from drivelab.agents.encoders import build_encoder
from drivelab.speed.clock import cpu_mb, cpu_ms, gpu_mb, gpu_ms

SECONDS, LEAST = 6.0, 3  # of CPU time for a figure, and calls in any case


def trial(
    encoder: str, options: dict[str, Any], pixels: int, device: str, dtype: str, threads: int
) -> dict[str, float | None]:
    """Time [ms] and peak memory above the loaded model and its image [MB] of one forward pass."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = build_encoder(encoder, **options).eval().to(device, getattr(torch, dtype))
    image = torch.randn(1, 3, pixels, pixels).to(device, getattr(torch, dtype))

    def call() -> object:
        with torch.inference_mode():
            return network(image)

    if device == "cuda":
        return {"mb": gpu_mb(call), "ms": gpu_ms(call)}
    return {"mb": cpu_mb(call), "ms": cpu_ms(call, seconds=SECONDS, least=LEAST)}


if __name__ == "__main__":
    print(json.dumps(trial(**json.loads(sys.argv[1]))))
