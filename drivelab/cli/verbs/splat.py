"""`drivelab splat`: worlds of Gaussians as files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module

from drivelab.cli.words import choose_action

USAGE = """usage: drivelab splat info FILE
       drivelab splat convert IN OUT [time=0] [convention=inria|gsplat]

FILE is a scene (NAME.splats.safetensors) or Gaussians as INRIA's and nerfstudio's trainers write
them (NAME.ply).
info: what is in it, where it lies, how much memory it takes.
convert: a PLY becomes a scene of nothing but static, unlabelled Gaussians, trained with the clamp
that `convention` names (inria); a scene becomes a PLY of one moment, its actors where its own
record has them at `time` [s], all lamps dark, without labels and sky."""

# Action -> the module with its function `run(words) -> exit code`.
ACTIONS = {
    "info": "drivelab.cli.splat_info",
    "convert": "drivelab.cli.splat_convert",
}


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    actions = {name: partial(_run, module) for name, module in ACTIONS.items()}
    return choose_action("splat", words, actions)(words[1:])


def _run(module: str, words: Sequence[str]) -> int:
    code: int = import_module(module).run(words)
    return code
