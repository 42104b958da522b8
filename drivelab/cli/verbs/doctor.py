"""`drivelab doctor`: what is installed, what is missing and how to get it."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from drivelab.cli.choices import conf_packages, point_plugs
from drivelab.cli.words import read_words
from drivelab.evaluation.benches.navsim import MAPS_VARIABLE, OPENSCENE_VARIABLE
from drivelab.evaluation.benches.reallogs import ROOT_VARIABLE

USAGE = """usage: drivelab doctor

Lists versions, optional extras with the pip line of the missing ones, processor and threads, data
roots, and plug-ins that are broken."""

CORE = (
    "numpy", "scipy", "numba", "shapely", "hydra-core", "gymnasium", "msgspec", "pyarrow", "rich",
    "safetensors", "jinja2", "matplotlib", "pillow", "imageio-ffmpeg", "jaxtyping",
)  # fmt: skip
# Extra -> the module that shows whether it is there.
EXTRAS = {
    "nn": "torch", "ray": "ray", "rl": "stable_baselines3", "splat": "gsplat",
    "carla": "carla", "open3d": "open3d", "commonroad": "commonroad", "viz": "viser",
    "vlm": "transformers", "export": "onnx", "curves": "tensorboard", "gpu": "triton",
}  # fmt: skip
ROOTS = {
    OPENSCENE_VARIABLE: "navsim_logs",
    MAPS_VARIABLE: "nuplan-maps-v1.0.json",
    ROOT_VARIABLE: "",
}


def run(words: Sequence[str]) -> int:
    """Run the verb; a missing core package makes it exit with 2."""
    read_words(words, ())
    from drivelab import __version__

    print(f"drivelab {__version__}, Python {platform.python_version()} ({sys.executable})")
    missing = _core()
    _extras()
    threads = os.environ.get("OMP_NUM_THREADS", "not set: runs use one thread per worker")
    print(f"processor: {os.cpu_count()} logical CPUs; OMP_NUM_THREADS {threads}")
    _roots()
    broken = {**conf_packages()[1]}
    for group in ("agent", "bench"):
        broken.update(point_plugs(group).broken)
    for name, reason in broken.items():
        print(f"plug-in {name} is broken: {reason}")
    return 2 if missing else 0


def _core() -> list[str]:
    missing = []
    for name in CORE:
        try:
            print(f"  {name:<16}{metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
            print(f"  {name:<16}MISSING: pip install {name}")
    return missing


def _extras() -> None:
    print("extras:")
    for extra, module in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        line = "installed" if there else f"missing: pip install 'drivelab[{extra}]'"
        print(f"  {extra:<16}{line}")


def _roots() -> None:
    print("data roots:")
    for variable, inside in ROOTS.items():
        value = os.environ.get(variable)
        if not value:
            state = "not set"
        elif not (Path(value) / inside).exists():
            state = f"{value}: has no {inside or 'such folder'}"
        else:
            state = value
        print(f"  {variable:<24}{state}")
