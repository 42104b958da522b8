"""The classes of an installed navsim that the bridge needs, imported when asked for."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from drivelab.errors import DrivelabError

DATACLASSES = "navsim.common.dataclasses"
AGENTS = "navsim.agents.abstract_agent"
SAMPLING = "nuplan.planning.simulation.trajectory.trajectory_sampling"
WHERE_FROM = (
    "clone autonomousvision/navsim and motional/nuplan-devkit from GitHub and install both into "
    "this environment with `pip install -e FOLDER` (the project called navsim on the Python "
    "package index is another one)"
)


class MissingNavsim(DrivelabError):
    """navsim, or what it needs, is not installed."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"this needs navsim (v1.1 or v2), {problem}: {WHERE_FROM}")


@dataclass(frozen=True, slots=True)
class Interface:
    """Classes of navsim, under the names that navsim gives them."""

    AbstractAgent: Any
    AgentInput: Any
    Camera: Any
    Cameras: Any
    EgoStatus: Any
    Lidar: Any
    SensorConfig: Any
    Trajectory: Any
    TrajectorySampling: Any


def load_interface() -> Interface:
    """Import navsim.

    Raises:
        MissingNavsim: it is not installed, is another package of that name, or lacks a module.
    """
    data, agents, sampling = (_module(name) for name in (DATACLASSES, AGENTS, SAMPLING))
    names = ("AgentInput", "Camera", "Cameras", "EgoStatus", "Lidar", "SensorConfig", "Trajectory")
    lost = [f"{DATACLASSES}.{name}" for name in names if not hasattr(data, name)]
    if lost:
        raise MissingNavsim(f"and what is installed has no {', '.join(lost)}")
    return Interface(
        AbstractAgent=agents.AbstractAgent,
        TrajectorySampling=sampling.TrajectorySampling,
        **{name: getattr(data, name) for name in names},
    )


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = str(error.name)
        if missing == "navsim":
            problem = "which is not installed"
        elif missing.startswith("navsim."):
            problem = f"and the installed package navsim is not that one (it has no {missing})"
        else:
            problem = f"whose module {name} needs {missing!r}, which is not installed"
        raise MissingNavsim(problem) from error
    except Exception as error:  # old pins of its own, on a newer Python
        raise MissingNavsim(
            f"whose module {name} cannot be imported ({type(error).__name__}: {error})"
        ) from error
