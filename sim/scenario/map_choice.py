"""Which map a scenario happens on: a template, an OpenDRIVE file, a CARLA town, a log's map."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from drivelab.sim.scenario.part import Part
from drivelab.sim.scenario.units import Length, Seconds, about

SourceName = Literal["reallogs", "labmini"]


class TemplateMap(Part, tag="template", frozen=True, kw_only=True):
    """A map template with its parameters, `{template: straight, lanes: 3, length: 400}`."""

    template: Annotated[str, about("name of the template, such as straight or straight_3lane")]
    parameters: Annotated[
        dict[str, float | str], about("the template's own parameters; written beside `template`")
    ] = msgspec.field(default_factory=dict)


class OpenDriveMap(Part, tag="opendrive", frozen=True, kw_only=True):
    """An OpenDRIVE file beside the scenario or below its folder."""

    opendrive: Annotated[str, about("path of the file, relative to the scenario's folder")]


class TownMap(Part, tag="town", frozen=True, kw_only=True):
    """A town of CARLA."""

    town: Annotated[str, about("name of the town, such as Town05")]
    radius: Annotated[Length, about("how much of the town is kept about the ego's start")] = 300.0


class LogMap(Part, tag="log", frozen=True, kw_only=True):
    """The map of a recorded log, with its traffic for `replay` motions."""

    log: Annotated[str, about("id of the log's scene")]
    source: Annotated[SourceName, about("where the log lies")] = "reallogs"
    at: Annotated[
        Seconds, about("time in the log's scene at which the scenario starts, 0 = its `now`")
    ] = 0.0


AnyMap = TemplateMap | OpenDriveMap | TownMap | LogMap
