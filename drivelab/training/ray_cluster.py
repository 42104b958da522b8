"""Joining the Ray cluster that a run is told, or starting one on this machine (extra `ray`)."""

from __future__ import annotations

import os
from importlib import import_module
from math import ceil
from typing import Any

from drivelab.errors import MissingExtra

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is loaded
try:
    ray: Any = import_module("ray")  # its own types do not know what `remote` makes of a class
except ImportError as error:
    raise MissingExtra("ray", extra="ray") from error


def connect(address: str | None, cpus: float, *, tell: bool = False) -> bool:
    """Be connected; False where this process already was.

    Args:
        address: of a running cluster, such as "auto"; None starts one here.
        cpus: that one started here offers.
        tell: whether what its processes print is shown.
    """
    if ray.is_initialized():
        return False
    how: dict[str, Any] = {"log_to_driver": tell, "logging_level": "ERROR"}
    if address:
        ray.init(address=address, **how)
    else:  # "local": without it Ray joins whichever cluster runs here, and then refuses num_cpus
        ray.init(address="local", num_cpus=max(1, ceil(cpus)), include_dashboard=False, **how)
    return True
