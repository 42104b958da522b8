"""Traffic, walkers, cyclists and parked cars by number: apart from each other, by seed."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from written_scenarios import all_boxes, episode

CROWD = "traffic: {density: 14, pedestrians: 5, cyclists: 2, parked: 4}\n"


@pytest.mark.parametrize("map_name", ["straight_3lane", "crossing_lights", "curve"])
def test_crowds_never_overlap_and_come_in_the_numbers_asked_for(map_name: str) -> None:
    asked = CROWD if map_name != "crossing_lights" else CROWD.replace("parked: 4", "parked: 0")
    for seed in range(4):
        made = episode(f"map: {map_name}\nego: {{lane: 0, s: 20, speed: 8}}\n{asked}", seed)
        boxes = all_boxes(made)
        first, second = shapely.STRtree(boxes).query(boxes, "intersects")
        assert np.all(first == second)
        kinds = [actor.kind for actor in made.actors]
        assert kinds.count("pedestrian") == 5
        assert kinds.count("bicycle") >= 2
        assert len({actor.id for actor in made.actors}) == len(made.actors)


def test_density_is_what_it_says() -> None:
    """14 vehicles per km of lane on 4 lanes of 400 m are 22; some give way to the ego."""
    counts = [
        sum(a.id.startswith("traffic_") for a in episode("traffic: {density: 14}\n", seed).actors)
        for seed in range(12)
    ]
    assert 15 < np.mean(counts) < 23
    assert len(set(counts)) > 1


def test_traffic_with_a_seed_of_its_own_is_the_same_for_every_seed() -> None:
    body = "traffic: {density: 14, seed: 3}\n"
    first, second = episode(body, 0), episode(body, 1)
    assert [a.id for a in first.actors] == [a.id for a in second.actors]
    np.testing.assert_array_equal([a.pose for a in first.actors], [a.pose for a in second.actors])
