"""A group of workers of Ray Train: who dies is started again, an error that is told ends it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")
ray_group = pytest.importorskip("drivelab.training.ray_group", exc_type=ImportError)

from drivelab.data.actor_resources import check_actor_resources, check_gpus  # noqa: E402
from drivelab.errors import ConfigError, RunError  # noqa: E402
from drivelab.training.checkpoint import save_checkpoint  # noqa: E402
from drivelab.training.run_folder import CHECKPOINT  # noqa: E402


def save(told: Mapping[str, Any]) -> None:
    place = Path(told["folder"]) / CHECKPOINT
    place.mkdir(exist_ok=True)
    save_checkpoint(place, torch.nn.Linear(2, 2), {"updates": 3})


def refuse(told: Mapping[str, Any]) -> None:
    with (Path(told["folder"]) / "begun").open("a") as stream:
        stream.write("once ")
    raise ConfigError("rate=9: too high; lower rate=")


def die_once(told: Mapping[str, Any]) -> None:
    mark = Path(told["folder"]) / "died"
    if not mark.exists():
        mark.touch()
        os._exit(1)
    save(told)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    import ray

    ray.shutdown()
    ray.init(
        address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
        logging_level="ERROR", runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}},
    )  # fmt: skip
    yield
    ray.shutdown()


def run(work: Any, folder: Path) -> dict[str, Any]:
    told = {"folder": str(folder)}
    return ray_group.run_group(work, told, folder=folder, workers=1, resources={"CPU": 1.0})


@pytest.mark.ray
@pytest.mark.slow
class TestGroup:
    def test_who_dies_is_started_again(self, cluster: None, tmp_path: Path):
        assert run(die_once, tmp_path) == {"updates": 3}

    def test_an_error_that_is_told_ends_it_at_once(self, cluster: None, tmp_path: Path):
        with pytest.raises(RunError, match=r"^rate=9: too high; lower rate=$"):
            run(refuse, tmp_path)
        assert (tmp_path / "begun").read_text() == "once "
        assert not (tmp_path / "error.txt").exists()


@pytest.mark.parametrize("asked", [-1, 1.5, "two", None, True, float("nan"), float("inf")])
def test_resources_that_cannot_be_are_refused(asked: Any):
    check_actor_resources(0, 0.25)
    check_actor_resources(2.0, 1)
    with pytest.raises(ConfigError, match=f"launcher.cpus={asked}: expected a number from 0"):
        check_actor_resources(asked, 0.0)
    with pytest.raises(ConfigError, match=f"launcher.gpus={asked}: expected a number from 0"):
        check_actor_resources(1, asked)


def test_gpus_that_a_machine_lacks_are_refused():
    check_gpus(0.5, 1)
    with pytest.raises(ConfigError, match="2 GPUs are asked for in all, this machine has 1"):
        check_gpus(2.0, 1)
