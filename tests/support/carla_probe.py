"""Ask `carla.Map` in a process of its own: it ends its process on files that it does not like.

Run: `python carla_probe.py FILE.xodr QUERIES.npz ANSWERS.npz`. Queries are rows of road, lane and
s; answers are poses in CARLA's frame (x, y, yaw in degrees; NaN where it knows no such place), the
topology as rows of two (road, section, lane), and the outlines of crosswalks.
"""

from __future__ import annotations

import sys

import carla
import numpy as np


def main(map_file: str, query_file: str, answer_file: str) -> None:
    with open(map_file, encoding="utf-8") as stream:
        world = carla.Map("probe", stream.read())
    with np.load(query_file) as queries:
        columns = [queries[name].tolist() for name in ("road", "lane", "s")]
    places = [world.get_waypoint_xodr(*query) for query in zip(*columns, strict=True)]
    poses = np.full((len(places), 3), np.nan)
    for k, place in enumerate(places):
        if place is not None:
            pose = place.transform
            poses[k] = pose.location.x, pose.location.y, pose.rotation.yaw
    ends = [[(p.road_id, p.section_id, p.lane_id) for p in pair] for pair in world.get_topology()]
    corners = [(corner.x, corner.y) for corner in world.get_crosswalks()]
    np.savez(
        answer_file,
        poses=poses,
        topology=np.array(ends, np.int64).reshape(-1, 6),
        crosswalks=np.array(corners).reshape(-1, 2),
    )


if __name__ == "__main__":
    main(*sys.argv[1:4])
