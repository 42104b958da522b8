"""What a process of a cluster may ask for, looked at before anything is started."""

from __future__ import annotations

from math import isfinite
from typing import Any

from drivelab.errors import ConfigError


def check_actor_resources(cpus: Any, gpus: Any) -> None:
    """Refuse what Ray would refuse, or take for something else, only once a process is asked for.

    Raises:
        ConfigError: not a share of one from 0, nor a whole number.
    """
    for name, asked in (("cpus", cpus), ("gpus", gpus)):
        known = isinstance(asked, int | float) and not isinstance(asked, bool) and isfinite(asked)
        if not known or asked < 0 or (asked > 1 and asked != int(asked)):
            raise ConfigError(
                f"launcher.{name}={asked}: expected a number from 0, above 1 a whole one"
            )


def check_gpus(asked: float, here: float) -> None:
    """Refuse a cluster on a machine without the GPUs that its processes ask for.

    Args:
        asked: by all of them together.
        here: that the machine has.

    Raises:
        ConfigError: too few.
    """
    if here < asked:
        raise ConfigError(
            f"launcher.gpus: {asked:g} GPUs are asked for in all, this machine has {here:g}; leave "
            "it out, or name the cluster that has them by launcher.address"
        )
