"""The scene behind an id of any bench: a recorded one, or the start of an episode."""

from __future__ import annotations

from typing import Any

from drivelab.types import Scene


def load_scene(source: Any, scene_id: str) -> Scene:
    """What a picture, a video or a score needs of a scene: map, vehicle, route.

    Args:
        source: a `SceneSource` or an `EpisodeSource`.
        scene_id: one of its ids.
    """
    loaded = source.load(scene_id)
    if isinstance(loaded, Scene):
        return loaded
    from drivelab.sim.world.view import base_scene  # the world is imported only where one is used

    return base_scene(loaded)
