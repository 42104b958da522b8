"""Argoverse 2 annotation categories -> the seven kinds of `drivelab.types`.

The grouping follows nuPlan's: trailers are vehicles, everything on two wheels is a bicycle,
strollers and wheelchairs are pedestrians, permanent poles and animals are generic objects.
"""

from __future__ import annotations

from collections.abc import Mapping

EGO_CATEGORY = "EGO_VEHICLE"

_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "vehicle": (
        "REGULAR_VEHICLE", "LARGE_VEHICLE", "BUS", "SCHOOL_BUS", "ARTICULATED_BUS", "BOX_TRUCK",
        "TRUCK", "TRUCK_CAB", "VEHICULAR_TRAILER", "RAILED_VEHICLE",
    ),
    "bicycle": (
        "BICYCLE", "BICYCLIST", "MOTORCYCLE", "MOTORCYCLIST", "WHEELED_DEVICE", "WHEELED_RIDER",
    ),
    "pedestrian": ("PEDESTRIAN", "STROLLER", "WHEELCHAIR", "OFFICIAL_SIGNALER"),
    "traffic_cone": ("CONSTRUCTION_CONE",),
    "barrier": ("CONSTRUCTION_BARREL",),
    "generic_object": (
        "BOLLARD", "SIGN", "STOP_SIGN", "MOBILE_PEDESTRIAN_CROSSING_SIGN",
        "MOBILE_PEDESTRIAN_SIGN", "TRAFFIC_LIGHT_TRAILER", "MESSAGE_BOARD_TRAILER", "DOG", "ANIMAL",
    ),
}  # fmt: skip

KIND_OF_CATEGORY: Mapping[str, str] = {
    category: kind for kind, categories in _MEMBERS.items() for category in categories
}

# Motion forecasting: object_type -> kind and an assumed (length, width) [m]: the files hold none.
FORECASTING_TYPES: Mapping[str, tuple[str, tuple[float, float]]] = {
    "vehicle": ("vehicle", (4.7, 1.9)),
    "bus": ("vehicle", (12.0, 2.6)),
    "motorcyclist": ("bicycle", (2.2, 0.8)),
    "cyclist": ("bicycle", (1.8, 0.7)),
    "riderless_bicycle": ("bicycle", (1.8, 0.7)),
    "pedestrian": ("pedestrian", (0.6, 0.6)),
    "static": ("generic_object", (0.6, 0.6)),
    "background": ("generic_object", (0.6, 0.6)),
    "construction": ("generic_object", (0.6, 0.6)),
    "unknown": ("generic_object", (0.6, 0.6)),
}
