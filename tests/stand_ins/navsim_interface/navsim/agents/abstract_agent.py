from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class AbstractAgent(ABC):
    """As in v1.1; the real one is a torch module, too."""

    def __init__(self, requires_scene: bool = False) -> None:
        self.requires_scene = requires_scene

    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def get_sensor_config(self) -> Any: ...

    @abstractmethod
    def initialize(self) -> None: ...

    def compute_trajectory(self, agent_input: Any) -> Any:
        raise NotImplementedError
