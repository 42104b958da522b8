"""What a road template is: a small map with names for its lanes, turns, lights and kerbs.

All templates agree on the names. The ego's road runs along +x from the origin of the map frame.

Chains (lane ids from the first piece to the last; `s` is measured along the whole chain):
    `0`, `1`, ...        lanes of the ego's road, 0 = the rightmost, straight on through junctions
    `opposite_0`, ...    lanes of the other direction, 0 = the rightmost as they drive
    `left_0`, `right_0`  lanes that come from the road on the ego's left or right hand, straight on
    `own_in_0`, ...      only the lanes that lead to the junction on one arm, and `own_out_0` those
                         that lead away on it; arms are `own` (the ego's), `right`, `opposite`
                         (ahead) and `left`
    `ramp_0`             an on-ramp with the lane it joins, or an off-ramp with the lane it leaves
Routes: turn -> chains from end to end that take it, those of the ego's own arm first.
Signal groups: group 0 holds the connectors of the ego's arm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from drivelab.types import LaneMap

Value = float | int | str
Chain = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number (or word, where there are `choices`) that a template can be asked for."""

    default: Value
    unit: str  # "m", "m/s", "" for counts and words
    meaning: str
    low: float = 0.0
    high: float = 0.0
    whole: bool = False  # whole numbers only
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RoadTemplate:
    """One built template; poses in the map frame."""

    map: LaneMap
    chains: Mapping[str, Chain]
    routes: Mapping[str, tuple[Chain, ...]] = field(default_factory=dict)
    # connectors that share a light; the groups of a junction are green in turn
    groups: tuple[tuple[str, ...], ...] = ()
    stop_signs: tuple[str, ...] = ()  # lanes at whose end everybody stops
    yield_signs: tuple[str, ...] = ()
    # from the kerb on the ego's right to the other one; the way back is the same path reversed
    crossings: Mapping[str, Float[np.ndarray, "n 3"]] = field(default_factory=dict)
    # beside the road, in the direction of the ego (right_*) or against it (left_*)
    pavements: Mapping[str, Float[np.ndarray, "n 3"]] = field(default_factory=dict)
    # box centres of cars in their bays, in order along the road
    parking: Mapping[str, Float[np.ndarray, "k 3"]] = field(default_factory=dict)
    name: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)  # as built


@dataclass(frozen=True, slots=True)
class TemplateKind:
    """A template before it is built: what it offers and what it can be asked for."""

    name: str
    summary: str
    parameters: Mapping[str, Parameter]
    build: Callable[..., RoadTemplate]  # parameters by name
