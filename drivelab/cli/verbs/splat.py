"""`drivelab splat`: worlds of Gaussians as files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module

from drivelab.cli.words import choose_action

USAGE = """usage: drivelab splat info FILE
       drivelab splat convert IN OUT [time=0] [convention=inria|gsplat] [version=3|4]
       drivelab splat render SOURCE [out=FOLDER|FILE] [camera=all|NAME,NAME] [time=0|0,2,4|0:8]
                             [show=images,depths,labels] [fps=10] [width=PIXELS]
       drivelab splat view SOURCE [port=8080] [host=127.0.0.1] [camera=all|NAME,NAME]

SOURCE is one of
  FILE                         with pose=X,Y,YAW_DEG[,Z,PITCH_DEG] of the rig in the scene's frame
  clip=test-0003-lane_drop     a clip of radlab on a street built along its way
  scenario=NAME [agent=NAME]   a scenario as pdm_closed, or that agent, drives it
and takes rig=rad|NAME|FILE.yaml scale=1; streets that are built (clip, scenario) also seed=0
weather.time=day|dusk|night weather.rain=0..1 weather.fog=0..1 weather.clouds=0..1.

FILE is a scene (.splats.safetensors), Gaussians (.ply, .compressed.ply, .spz, .splat, .sog or its
folder), a checkpoint of gsplat, DriveStudio, Street Gaussians or HUGSIM (.pt, .pth, .ckpt), or a
scene folder of HUGSIM; docs/splat_formats.md lists them.
info: what is in it, where it lies, how much memory it takes.
convert: into a scene, a PLY, a compressed PLY, an SPZ (of `version` 3) or a .splat: OUT's ending
says which. Gaussians alone become a scene of nothing but static, unlabelled ones, trained with the
clamp that `convention` names (that of the format's trainer, else inria); a scene becomes the
Gaussians of one moment, its actors where its own record has them at `time` [s], all lamps dark,
without labels and sky.
render: a folder of PNG (the default), one picture (.png, .jpg) with the cameras side by side and a
row for each thing shown, or a film (.mp4, .webp, .gif); the three front cameras unless told else.
view: in the browser, with time, actors and the rig; needs the extra viz."""

# Action -> the module with its function `run(words) -> exit code`.
ACTIONS = {
    "info": "drivelab.cli.splat_info",
    "convert": "drivelab.cli.splat_convert",
    "render": "drivelab.cli.splat_render",
    "view": "drivelab.cli.splat_view",
}


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    actions = {name: partial(_run, module) for name, module in ACTIONS.items()}
    return choose_action("splat", words, actions)(words[1:])


def _run(module: str, words: Sequence[str]) -> int:
    code: int = import_module(module).run(words)
    return code
