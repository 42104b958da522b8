"""Compiled array kernels. They know arrays only.

Tracker, boxes, polygons, scores and the traffic world are numba with `cache=True`: compiled at the
first call, loaded from disk afterwards as long as no source that went into it has changed. They
work proposal by proposal, so a batch gives bit for bit what a loop over it gives.

The sequence ops (`drivelab.kernels.gla` and the other names below) take tensors of torch, extra
`nn`, and are imported when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from drivelab.kernels.compile_cache import install

if TYPE_CHECKING:
    from drivelab.kernels.sequence.causal_conv1d import causal_conv1d as causal_conv1d
    from drivelab.kernels.sequence.causal_conv1d import causal_conv1d_step as causal_conv1d_step
    from drivelab.kernels.sequence.gla import gla as gla
    from drivelab.kernels.sequence.gla import gla_step as gla_step
    from drivelab.kernels.sequence.gla_bidirectional import gla_bidirectional as gla_bidirectional
    from drivelab.kernels.sequence.rmsnorm_gated import rmsnorm as rmsnorm
    from drivelab.kernels.sequence.rmsnorm_gated import rmsnorm_gated as rmsnorm_gated
    from drivelab.kernels.sequence.selective_scan import selective_scan as selective_scan
    from drivelab.kernels.sequence.selective_scan import selective_scan_step as selective_scan_step
    from drivelab.kernels.sequence.simple_gla import simple_gla as simple_gla
    from drivelab.kernels.sequence.simple_gla import simple_gla_step as simple_gla_step
    from drivelab.kernels.sequence.ssd import ssd as ssd
    from drivelab.kernels.sequence.ssd import ssd_step as ssd_step

install()

_OPS = {  # name -> its room in `drivelab.kernels.sequence`
    "gla": "gla",
    "gla_step": "gla",
    "gla_bidirectional": "gla_bidirectional",
    "simple_gla": "simple_gla",
    "simple_gla_step": "simple_gla",
    "ssd": "ssd",
    "ssd_step": "ssd",
    "selective_scan": "selective_scan",
    "selective_scan_step": "selective_scan",
    "causal_conv1d": "causal_conv1d",
    "causal_conv1d_step": "causal_conv1d",
    "rmsnorm": "rmsnorm_gated",
    "rmsnorm_gated": "rmsnorm_gated",
}


def __getattr__(name: str) -> Any:
    """The sequence ops, without torch for those who need none."""
    if name not in _OPS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        room = import_module(f"drivelab.kernels.sequence.{_OPS[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(
            f"drivelab.kernels.{name} needs the package 'torch', which is not installed: "
            "pip install 'drivelab[nn]'",
            name="torch",
        ) from error
    return getattr(room, name)
