"""What policies see: arrays that one compiled call fills, and the spaces they are handed out in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.world.native import NativeWorld

FORMS = ("dict", "flat")
Arrays = Mapping[str, np.ndarray]  # (E, A, ...) each


class View(Protocol):
    """One way to look at the world; `form` is one of FORMS."""

    def allocate(self, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """Arrays for (environments, policies)."""

    def ego_rows(self, arrays: Arrays) -> np.ndarray:
        """The rows (E, EGO_FLOATS) that the step itself fills; (E, 0) where there are none."""

    def fill(self, world: NativeWorld, arrays: Arrays) -> None:
        """Look at all environments after a step, at what the step did not fill."""

    def fill_one(self, world: NativeWorld, e: int, arrays: Arrays) -> None:
        """Look at one environment that has just begun."""

    def space(self, form: str) -> gym.Space:
        """The space of one policy."""

    def pack(self, arrays: Arrays, at: Any, form: str) -> Any:
        """A copy of the rows `at` in that form."""


def check_form(form: str) -> str:
    """The form as it is.

    Raises:
        ConfigError: there is no such form.
    """
    if form not in FORMS:
        raise ConfigError(
            f"observation={form!r}: expected one of {', '.join(FORMS)}"
            f"{nearest_name(str(form), FORMS)}"
        )
    return form
