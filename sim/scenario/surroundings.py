"""Traffic, lights, signs, weather and sensor faults of a scenario."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from drivelab.sim.scenario.part import Part
from drivelab.sim.scenario.units import Count, Degrees, Length, Seconds, Share, about, unit


class Traffic(Part, frozen=True, kw_only=True):
    """Road users that the scenario does not name."""

    density: Annotated[
        float, unit("vehicles per km of lane"), about("vehicles that drive", ge=0, le=80)
    ] = 0.0
    pedestrians: Annotated[Count, about("people who walk along and across the road")] = 0
    cyclists: Annotated[Count, about("cyclists at the right edge of the lanes")] = 0
    parked: Annotated[Count, about("cars in the map's parking bays")] = 0
    radius: Annotated[Length, about("of the traffic about the ego's route", le=500)] = 150.0
    seed: Annotated[
        Annotated[int, Meta(ge=0)] | None, about("the same traffic for every seed of the scenario")
    ] = None


class Lights(Part, frozen=True, kw_only=True):
    """Traffic lights of the map."""

    mode: Annotated[
        Literal["cycle", "fixed", "off"], about("phases in turn, never changing, or none at all")
    ] = "cycle"
    green: Annotated[Seconds, about("of every phase", gt=0)] = 12.0
    yellow: Annotated[Seconds, about("after every green", ge=0)] = 3.0
    all_red: Annotated[Seconds, about("between two phases", ge=0)] = 2.0
    ego_green: Annotated[
        Seconds, about("when the light on the ego's route turns green; may lie before the start")
    ] = 0.0
    ego: Annotated[
        Literal["green", "red"], about("fixed: the light on the ego's route; the others differ")
    ] = "green"


class Signs(Part, frozen=True, kw_only=True):
    """Stop and yield signs, beside those of the map."""

    mode: Annotated[Literal["map", "off"], about("keep or drop the map's own signs")] = "map"
    stop: Annotated[tuple[int | str, ...], about("lanes at whose end one must stop")] = ()
    give_way: Annotated[tuple[int | str, ...], about("lanes at whose end one must give way")] = ()


WeatherName = Literal["clear", "cloudy", "wet", "rain", "heavy_rain", "fog", "snow"]


class Weather(Part, frozen=True, kw_only=True):
    """Weather by its parts; used by worlds with sensors."""

    clouds: Annotated[Share, about("0 = none, 1 = all the sky")] = 0.0
    rain: Annotated[Share, about("0 = none, 1 = a downpour")] = 0.0
    snow: Annotated[Share, about("0 = none, 1 = heavy")] = 0.0
    fog: Annotated[Share, about("0 = none, 1 = dense")] = 0.0
    wetness: Annotated[Share, about("of the road, 1 = under water")] = 0.0
    wind: Annotated[Share, about("0 = calm, 1 = a storm")] = 0.0


DayTime = Literal["dawn", "day", "dusk", "night"]
Hour = Annotated[float, unit("h"), about("hour of the day", ge=0, le=24)]


class SensorFault(Part, tag_field="fault", frozen=True, kw_only=True):
    """When a sensor is faulty."""

    start: Annotated[Seconds, about("from this time on", ge=0)] = 0.0
    stop: Annotated[
        Annotated[Seconds, Meta(gt=0)] | None, about("until this time; to the end if left out")
    ] = None


class CameraBlack(SensorFault, tag="black", frozen=True, kw_only=True):
    """The camera shows nothing."""

    camera: Annotated[str, about("name of the camera, or `all`")] = "all"


class CameraBlurred(SensorFault, tag="blurred", frozen=True, kw_only=True):
    """The camera is out of focus."""

    camera: Annotated[str, about("name of the camera, or `all`")] = "all"
    sigma: Annotated[float, unit("px"), about("of the Gaussian blur", gt=0, le=50)] = 4.0


class CameraDelayed(SensorFault, tag="delayed", frozen=True, kw_only=True):
    """The camera's pictures come late."""

    camera: Annotated[str, about("name of the camera, or `all`")] = "all"
    delay: Annotated[Seconds, about("of every picture", gt=0, le=5)] = 0.2


class CameraDropped(SensorFault, tag="dropped", frozen=True, kw_only=True):
    """Some of the camera's pictures never come."""

    camera: Annotated[str, about("name of the camera, or `all`")] = "all"
    share: Annotated[Share, about("of the pictures lost")] = 0.5


class CameraFrozen(SensorFault, tag="frozen", frozen=True, kw_only=True):
    """The camera goes on showing its last picture from before the fault."""

    camera: Annotated[str, about("name of the camera, or `all`")] = "all"


class CameraOverexposed(SensorFault, tag="overexposed", frozen=True, kw_only=True):
    """The camera takes in too much light."""

    camera: Annotated[str, about("name of the camera, or `all`")] = "all"
    gain: Annotated[float, about("what light is multiplied by", gt=1, le=1000)] = 8.0


class CameraDirty(SensorFault, tag="dirty", frozen=True, kw_only=True):
    """Blurred spots of dirt stick to the lens."""

    camera: Annotated[str, about("name of the camera, or `all`")] = "all"
    share: Annotated[Share, about("of the picture covered")] = 0.2


class LidarSparse(SensorFault, tag="sparse", frozen=True, kw_only=True):
    """The lidar returns few points."""

    keep: Annotated[Share, about("of the points that are left")] = 0.25


class LidarBlind(SensorFault, tag="blind", frozen=True, kw_only=True):
    """The lidar returns nothing from a sector about the ego."""

    from_deg: Annotated[Degrees, about("where the sector begins; 0 = ahead, 90 = left")] = -30.0
    to_deg: Annotated[Degrees, about("where it ends, going to the left")] = 30.0


class StatusNoisy(SensorFault, tag="noisy_status", frozen=True, kw_only=True):
    """What the vehicle says of itself is wrong by noise; standard deviations."""

    position: Annotated[Annotated[float, unit("m"), Meta(ge=0, le=100)], about("along x, y")] = 0.5
    heading_deg: Annotated[
        Annotated[float, unit("deg"), Meta(ge=0, le=180)], about("of the heading")
    ] = 1.0
    speed: Annotated[Annotated[float, unit("m/s"), Meta(ge=0, le=50)], about("along x, y")] = 0.3
    acceleration: Annotated[
        Annotated[float, unit("m/s^2"), Meta(ge=0, le=50)], about("along x, y")
    ] = 0.2


AnyFault = (
    CameraBlack
    | CameraFrozen
    | CameraBlurred
    | CameraDirty
    | CameraOverexposed
    | CameraDelayed
    | CameraDropped
    | LidarSparse
    | LidarBlind
    | StatusNoisy
)


class Sensors(Part, frozen=True, kw_only=True):
    """What is wrong with the sensors; used by worlds with sensors."""

    faults: Annotated[tuple[AnyFault, ...], about("one entry a fault")] = ()
