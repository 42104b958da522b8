"""How a plan becomes motion in a closed loop."""

from __future__ import annotations

from drivelab.errors import ConfigError, nearest_name
from drivelab.types import Agent

CONTROLLERS = {  # how a plan becomes motion -> (dynamics, whether the LQR tracks it)
    "lqr": ("kinematic", True),
    "dynamic": ("dynamic", True),
    "perfect": ("kinematic", False),
}
USUAL = "lqr"
AUTO = "auto"  # the controller that the agent says, else the usual one


def check_controller(controller: str, key: str = "controller") -> None:
    """Refuse a name that no controller has, before anything is driven; `key` is who asked."""
    if controller not in CONTROLLERS:
        known = (*CONTROLLERS, AUTO)
        raise ConfigError(
            f"{key}={controller}: expected one of {', '.join(known)}"
            f"{nearest_name(controller, known)}"
        )


def controller_for(asked: str, agent: Agent) -> str:
    """The controller as asked for; of `AUTO` the one that the agent's plans are made for.

    Raises:
        ConfigError: there is no such controller.
    """
    chosen = str(getattr(agent, "controller", USUAL)) if asked == AUTO else asked
    check_controller(chosen)
    return chosen
