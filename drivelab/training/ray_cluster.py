"""Joining the Ray cluster that a run is told, or starting one on this machine (extra `ray`)."""

from __future__ import annotations

import os
from importlib import import_module
from math import ceil
from typing import Any

from drivelab.data.own_package import package_sent
from drivelab.errors import MissingExtra

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is loaded
try:
    ray: Any = import_module("ray")  # its own types do not know what `remote` makes of a class
except ImportError as error:
    raise MissingExtra("ray", extra="ray") from error


def connect(address: str | None, cpus: float, *, tell: bool = False, ship: bool = False) -> bool:
    """Be connected; False where this process already was.

    Args:
        address: of a running cluster, such as "auto"; None starts one here.
        cpus: that one started here offers.
        tell: whether what its processes print is shown.
        ship: whether all its processes of this run are sent the drivelab of this one.
    """
    if ray.is_initialized():
        return False
    how: dict[str, Any] = {"log_to_driver": tell, "logging_level": "ERROR"}
    if not address:  # "local": without it Ray joins whichever runs here, and refuses num_cpus
        how |= {"num_cpus": max(1, ceil(cpus)), "include_dashboard": False}
    with package_sent(ship) as sent:
        ray.init(address=address or "local", **how, **sent)
    return True
