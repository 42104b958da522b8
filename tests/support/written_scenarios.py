"""Episodes from scenarios of a few lines; the road of `straight_3lane` runs along +x.

Lane 0 is the rightmost: lane k lies at y = -(2.5 - k) * 3.5.
"""

from __future__ import annotations

import numpy as np

from drivelab.geometry.boxes import box_polygons, ego_boxes
from drivelab.sim.scenario.files import parse_scenario
from drivelab.sim.world.episode import Episode
from drivelab.types import PACIFICA

WIDTH = 3.5  # of the templates' lanes [m]


def episode(body: str, seed: int = 0) -> Episode:
    """An episode with the ego on lane 1 of a straight road at 20 m, and what `body` adds."""
    head = "id: t\nduration: 12\n"
    if "map:" not in body:
        head += "map: straight_3lane\n"
    if "ego:" not in body:
        head += "ego: {lane: 1, s: 20, speed: 12}\n"
    return parse_scenario(head + body, "t.yaml").episode(seed)


def actor(text: str, body: str = "") -> Episode:
    return episode(f"actors: [{{id: a, {text}}}]\n{body}")


def all_boxes(made: Episode) -> np.ndarray:
    rows = [
        ego_boxes(made.ego_pose, PACIFICA),
        *(np.array([*a.pose, *a.size]) for a in made.actors),
    ]
    return box_polygons(np.array(rows))
