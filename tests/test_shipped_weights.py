"""Weights that ship: named on their card, small, loaded without options, and finite plans."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

torch = pytest.importorskip("torch", reason="needs the extra nn")

from drivelab.agents.ego_mlp.agent import inputs_of  # noqa: E402
from drivelab.agents.learned.checkpoint import open_network  # noqa: E402
from drivelab.evaluation.benches.rad import RadBench  # noqa: E402
from drivelab.evaluation.benches.rendered import turned_on  # noqa: E402
from drivelab.evaluation.closed_loop import drive_all  # noqa: E402
from drivelab.metrics.metric_names import find_metric  # noqa: E402
from drivelab.registry import load_object  # noqa: E402
from drivelab.sim.world.view import base_scene  # noqa: E402

SHIPPED = sorted(Path(str(files("drivelab.agents"))).glob("*/weights/*.safetensors"))
ALLOWED = 12e6  # bytes together
CLASSES = {
    "diffusiondrive": "DiffusionDrive", "transfuser": "Transfuser", "ego_mlp": "EgoMlp",
    "rad": "Rad", "vadv2": "VadV2",
}  # fmt: skip
ASKED = {"rad-images": {"obs": "images"}}  # of files that do not come without being asked for
DRIVERS = ("rad", "vadv2")  # whose weights were taught in closed loop


def name_of(file: Path) -> str:
    return f"{file.parent.parent.name}-{file.stem}"


def agent_of(file: Path):
    name = file.parent.parent.name
    made = load_object(f"drivelab.agents.{name}.agent:{CLASSES[name]}")
    return made(**ASKED.get(name_of(file), {}))


def files_of(names: Callable[[str], bool]):
    chosen = [file for file in SHIPPED if names(file.parent.parent.name)]
    return pytest.mark.parametrize("file", chosen, ids=name_of)


ALL = files_of(lambda name: True)
SEEING, DRIVING = files_of(lambda n: n not in DRIVERS), files_of(lambda n: n in DRIVERS)


def test_there_are_some_and_they_are_small() -> None:
    assert SHIPPED
    assert sum(file.stat().st_size for file in SHIPPED) <= ALLOWED


@ALL
def test_the_card_tells_their_digest_and_the_agent_uses_them(file: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    card = (file.parent.parent / "README.md").read_text("utf-8")
    assert f"SHA-256 `{digest[:12]}...`" in card
    agent = agent_of(file)
    assert agent.weights_sha256 == digest
    assert agent.weights.startswith(f"weights: {name_of(file)}, the weights that ship")
    with safe_open(file, framework="pt") as opened:
        notes = opened.metadata()
    drives = file.parent.parent.name in DRIVERS
    assert int(notes["round"]) > 0 if drives else float(notes["validation_pdms"]) > 0.5


@SEEING
def test_they_plan_forward_at_the_speed_they_are_told(file: Path) -> None:
    network = open_network(file).float()
    status = torch.zeros(2, 8)
    status[:, 1], status[:, 4] = 1.0, torch.tensor([2.0, 12.0])
    features = {
        "camera_feature": torch.full((2, 3, 128, 512), 0.4),
        "lidar_feature": torch.zeros(2, 1, 256, 256),
        "status_feature": status,
    }
    if file.parent.parent.name == "ego_mlp":
        features = inputs_of(features)
    with torch.inference_mode():
        plans = network(features)["trajectory"]
    assert torch.isfinite(plans).all()
    assert plans[1, -1, 0] > plans[0, -1, 0] + 5.0


@DRIVING
def test_they_drive_most_clips_without_an_event(file: Path) -> None:
    agent = agent_of(file)
    bench, metric = RadBench(), find_metric("rad9_v2")
    bench = RadBench(**(turned_on(asdict(bench), agent) or {}))
    # Primes to the twelve families of clips; pictures take seconds a clip. Who goes on at constant
    # speed comes through two of five, and one of three
    every = 101 if bench.sensors == "on" else 61
    episodes = [bench.source().load(clip) for clip in bench.source().scene_ids()[::every]]
    scores = [
        metric.score(base_scene(done.episode), done.rollout()).score
        for done in drive_all(episodes, agent, controller="auto")
    ]
    assert np.mean(scores) > 0.6
