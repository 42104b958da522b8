"""`drivelab show`: draw a scene from above."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drivelab.errors import ConfigError, nearest_name

USAGE = """usage: drivelab show [bench=NAME] [scene=ID] [out=FILE.png|.svg] [data=...] [split=...]

Draws the scene (the first one, if none is named) with its map, traffic, route and recorded ego."""


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    from drivelab.cli.compose import compose
    from drivelab.cli.overrides import read_request
    from drivelab.cli.words import picture_file

    config = compose("show", read_request("show", words))
    out = None if config["out"] is None else picture_file(str(config["out"]))
    from drivelab.evaluation.run_folder import file_name
    from drivelab.registry import build
    from drivelab.reports.bev import draw_scene

    source = build(config["bench"]).source()
    ids = source.scene_ids()
    scene_id = str(config["scene"] or ids[0])
    if scene_id not in ids:
        raise ConfigError(f"scene={scene_id}: not in this bench{nearest_name(scene_id, ids)}")
    out = out or Path(f"{file_name(scene_id)}.png")
    scene = source.load(scene_id)
    path = scene.ego.poses[scene.now :]
    draw_scene(scene, out, reference=path, title=f"{scene_id} · {source.label}")
    print(out)
    return 0
