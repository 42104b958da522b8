"""The episode that `benchmarks/closed_loop_scores.py` times feeds every score of a driven one."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from drivelab.metrics.registry import ROLLOUT_METRICS
from drivelab.registry import load_object

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = sys.path.copy()
    spec = importlib.util.spec_from_file_location("timed", FOLDER / "closed_loop_scores.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


@pytest.mark.parametrize("name", ROLLOUT_METRICS)
def test_the_timed_episode_has_what_each_score_needs(benchmark: ModuleType, name: str) -> None:
    scene, rollout = benchmark.episode()
    metric = load_object(ROLLOUT_METRICS[name])()
    row = metric.score(scene, rollout)
    assert set(row.subscores) == set(metric.subscores)
