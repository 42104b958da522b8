"""What varies from seed to seed."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from drivelab.sim.scenario.part import Part
from drivelab.sim.scenario.units import Pair, about

Value = float | int | str | bool


class Uniform(Part, tag="uniform", frozen=True, kw_only=True):
    """Drawn evenly between two numbers."""

    uniform: Annotated[Pair, about("[low, high]")]


class Normal(Part, tag="normal", frozen=True, kw_only=True):
    """Drawn from a normal distribution, redrawn until it lies within the limits."""

    normal: Annotated[Pair, about("[mean, deviation]")]
    low: Annotated[float | None, about("nothing below this; mean - 3 deviations if left out")] = (
        None
    )
    high: Annotated[float | None, about("nothing above this; mean + 3 deviations if left out")] = (
        None
    )


class Choice(Part, tag="choice", frozen=True, kw_only=True):
    """One of a list, each as likely."""

    choice: Annotated[list[Any], Meta(min_length=1, max_length=1000), about("the values")]


class Grid(Part, tag="grid", frozen=True, kw_only=True):
    """All of a list in turn: seed 0 takes the first, seed 1 the next, all grids combined."""

    grid: Annotated[list[Any], Meta(min_length=1, max_length=1000), about("the values")]


AnyVariation = Uniform | Normal | Choice | Grid
