"""Numbers with a unit and bounds: the types of the scenario schema's fields.

What stands here is read by the checker (bounds, units in messages), by the JSON schema for editors
and by the key tables of the docs. Angles are in degrees where the key ends in `_deg`.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

UNIT = "unit"


def unit(name: str) -> Meta:
    """The unit of a number."""
    return Meta(extra={UNIT: name})


def about(text: str, **bounds: Any) -> Meta:
    """What a key means, and bounds of its value."""
    return Meta(description=text, **bounds)


Metres = Annotated[float, unit("m")]
Length = Annotated[float, unit("m"), Meta(gt=0)]
Seconds = Annotated[float, unit("s")]
Duration = Annotated[float, unit("s"), Meta(gt=0)]
Speed = Annotated[float, unit("m/s"), Meta(ge=0, le=70)]
Acceleration = Annotated[float, unit("m/s^2"), Meta(gt=0, le=15)]
Degrees = Annotated[float, unit("deg"), Meta(ge=-360, le=360)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0, le=500)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
Pair = Annotated[list[float], Meta(min_length=2, max_length=2)]
LaneName = Annotated[int, Meta(ge=0)] | str
