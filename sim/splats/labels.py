"""What a Gaussian belongs to: one word each, numbered as semantic pictures number them."""

from __future__ import annotations

LABELS = (
    "void",
    "road",
    "marking",
    "crosswalk",
    "kerb",
    "pavement",
    "terrain",
    "building",
    "vegetation",
    "pole",
    "sign",
    "traffic_light",
    "vehicle",
    "pedestrian",
    "bicycle",
    "obstacle",
    "sky",
)
NUMBER = {name: n for n, name in enumerate(LABELS)}
# What wheels may stand on; everything else of a static scene is something to hit.
GROUND = tuple(NUMBER[n] for n in ("road", "marking", "crosswalk", "pavement", "terrain"))
