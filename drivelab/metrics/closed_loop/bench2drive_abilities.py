"""Bench2Drive's five abilities: which scenario types show which, and when a route shows one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drivelab.geometry.polyline import resample
from drivelab.maps.index import Layer, objects_at
from drivelab.metrics.closed_loop.carla_record import RouteRecord
from drivelab.types import LaneMap, Rollout

OVERTAKING, MERGING, BRAKING = "overtaking", "merging", "emergency_brake"
GIVE_WAY, SIGNS = "give_way", "traffic_signs"
ABILITIES = (OVERTAKING, MERGING, BRAKING, GIVE_WAY, SIGNS)
PAST_JUNCTION = 8  # points of 1 m beyond the first of a junction that count as having passed it

_M, _B, _S = MERGING, BRAKING, SIGNS
# Scenario type -> its abilities, as the benchmark groups them.
_ABILITIES_OF: dict[str, tuple[str, ...]] = {
    "Accident": (OVERTAKING,),
    "AccidentTwoWays": (OVERTAKING,),
    "ConstructionObstacle": (OVERTAKING,),
    "ConstructionObstacleTwoWays": (OVERTAKING,),
    "HazardAtSideLane": (OVERTAKING,),
    "HazardAtSideLaneTwoWays": (OVERTAKING,),
    "ParkedObstacle": (OVERTAKING,),
    "ParkedObstacleTwoWays": (OVERTAKING,),
    "VehicleOpenDoorTwoWays": (OVERTAKING,),
    "HighwayCutIn": (_M,),
    "HighwayExit": (_M,),
    "InterurbanActorFlow": (_M,),
    "InterurbanAdvancedActorFlow": (_M,),
    "MergeIntoSlowTraffic": (_M,),
    "MergerIntoSlowTrafficV2": (_M,),
    "ParkingExit": (_M,),
    "SequentialLaneChange": (_M,),
    "CrossingBicycleFlow": (_M, _S),
    "EnterActorFlow": (_M, _S),
    "NonSignalizedJunctionLeftTurn": (_M, _S),
    "NonSignalizedJunctionLeftTurnEnterFlow": (_M, _S),
    "NonSignalizedJunctionRightTurn": (_M, _S),
    "SignalizedJunctionLeftTurn": (_M, _S),
    "SignalizedJunctionLeftTurnEnterFlow": (_M, _S),
    "SignalizedJunctionRightTurn": (_M, _S),
    "ControlLoss": (_B,),
    "DynamicObjectCrossing": (_B,),
    "HardBreakRoute": (_B,),
    "ParkingCrossingPedestrian": (_B,),
    "ParkingCutIn": (_B,),
    "StaticCutIn": (_B,),
    "BlockedIntersection": (_B, _S),
    "OppositeVehicleRunningRedLight": (_B, _S),
    "OppositeVehicleTakingPriority": (_B, _S),
    "PedestrianCrossing": (_B, _S),
    "VehicleTurningRoute": (_B, _S),
    "VehicleTurningRoutePedestrian": (_B, _S),
    "InvadingTurn": (GIVE_WAY,),
    "YieldToEmergencyVehicle": (GIVE_WAY,),
    "T_Junction": (_S,),
    "VanillaNonSignalizedTurn": (_S,),
    "VanillaNonSignalizedTurnEncounterStopsign": (_S,),
    "VanillaSignalizedTurnEncounterGreenLight": (_S,),
    "VanillaSignalizedTurnEncounterRedLight": (_S,),
}


def abilities_of(scenario_kinds: Sequence[str]) -> set[str]:
    """The abilities that scenarios of these types ask for; unknown types ask for none."""
    return {ability for kind in scenario_kinds for ability in _ABILITIES_OF.get(kind, ())}


def shows_traffic_signs(record: RouteRecord, lane_map: LaneMap, rollout: Rollout) -> bool:
    """The rule that rescues a failed route: past its first junction without a sign infraction."""
    counts = record.counts
    if counts["red_light"] or counts["stop_sign"] or rollout.route is None:
        return False
    points = resample(rollout.route, 1.0)
    for index, point in enumerate(points, start=1):
        if _in_junction(lane_map, point):
            return record.completion / 100.0 > (index + PAST_JUNCTION) / len(points)
    return False


def _in_junction(lane_map: LaneMap, point: np.ndarray) -> bool:
    layers = (Layer.INTERSECTION, Layer.LANE_CONNECTOR)
    return any(objects_at(lane_map, layer, point) for layer in layers)
