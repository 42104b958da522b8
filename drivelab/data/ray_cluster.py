"""Joining the Ray cluster that a run is told, or starting one on this machine (extra `ray`)."""

from __future__ import annotations

import os
import socket
from importlib import import_module
from math import ceil
from typing import Any

from drivelab.data.actor_resources import check_gpus
from drivelab.data.own_package import package_sent
from drivelab.errors import ConfigError, MissingExtra

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is loaded
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
try:
    ray: Any = import_module("ray")  # its own types do not know what `remote` makes of a class
except ImportError as error:
    raise MissingExtra("ray", extra="ray") from error

_PATIENCE = 5.0  # for a cluster's address to answer [s]


def connect(
    address: str | None, cpus: float, gpus: float = 0.0, *, tell: bool = False, ship: bool = False
) -> bool:
    """Be connected; False where this process already was.

    Args:
        address: of a running cluster, such as "auto"; None starts one here.
        cpus: that one started here offers.
        gpus: that one started here has to have.
        tell: whether what its processes print is shown.
        ship: whether all its processes of this run are sent the drivelab of this one.

    Raises:
        ConfigError: no cluster is found there, this machine has too few GPUs for one, or what is
            to be sent cannot be sent any more.
    """
    if ray.is_initialized():
        if ship and not ray.get_runtime_context().runtime_env.get("py_modules"):
            raise ConfigError(
                "launcher.ship=true: this process is connected to Ray already, and what its "
                "processes are sent is settled then; call ray.shutdown() first, or leave it out"
            )
        return False
    how: dict[str, Any] = {"log_to_driver": tell, "logging_level": "ERROR"}
    if not address:  # "local": without it Ray joins whichever runs here, and refuses num_cpus
        how |= {"num_cpus": max(1, ceil(cpus)), "include_dashboard": False}
    elif _lacks_answer(address):
        raise _no_cluster(address, f"nothing answers there within {_PATIENCE:.0f} s")
    try:
        with package_sent(ship) as sent:
            ray.init(address=address or "local", **how, **sent)
    except (ConnectionError, ValueError) as error:
        if not address:
            raise
        raise _no_cluster(address, " ".join(str(error).split())[:200]) from error
    if not address:
        try:
            check_gpus(gpus, ray.cluster_resources().get("GPU", 0.0))
        except ConfigError:
            ray.shutdown()
            raise
    return True


def _lacks_answer(address: str) -> bool:
    """Whether a host and port take no connection: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not port.isdecimal():
        return False  # "auto", or a client's address, which Ray answers for by itself
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
    except (OSError, OverflowError):
        return True
    return False


def _no_cluster(address: str, why: str) -> ConfigError:
    return ConfigError(
        f"launcher.address={address}: no cluster ({why}); start one with 'ray start --head' and "
        "name its address, or leave the option out to use this machine alone"
    )
