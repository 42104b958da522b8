"""The Ray launcher and its machines: nodes that die, GPUs that are not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray")
from drivelab.errors import ConfigError  # noqa: E402
from drivelab.evaluation.launchers.ray import RayLauncher  # noqa: E402
from drivelab.evaluation.tasks import Outcome, WorkerSpec, cut_tasks  # noqa: E402
from drivelab.evaluation.workers import make_worker  # noqa: E402

pytestmark = pytest.mark.ray
TOYS = Path(__file__).parent / "toys"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[[RayLauncher], Iterator[list[Outcome]]]:
    """What a launcher tells of four scenes, whose outcomes take 350 kB each."""
    monkeypatch.syspath_prepend(TOYS)
    source = import_module("evaluation_toys").ToySource(4)
    agent = {"_target_": "evaluation_toys:Straight"}
    spec = WorkerSpec(agent, "evaluation_toys:BulkyMetric", source, seed=0)
    tasks = cut_tasks(source.scene_ids(), 1)
    return lambda launcher: launcher.run(spec, tasks, make_worker(spec))


@pytest.mark.slow
def test_outcomes_lost_with_a_node_are_driven_again(
    told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    wait, get = ray.wait, ray.get
    doomed: list[Any] = []
    met: list[Exception] = []

    def wait_for_both_and_lose_a_node(asked: list[Any], num_returns: int) -> Any:
        if doomed:  # both scenes are done; the outcome of one lies on the other node
            done, _ = wait(asked, num_returns=2, timeout=60, fetch_local=False)
            assert len(done) == 2
            nodes.remove_node(doomed.pop(), allow_graceful=False)
            nodes.add_node(num_cpus=1)
        return wait(asked, num_returns=num_returns)

    def get_and_remember(asked: Any) -> Any:
        try:
            return get(asked)
        except Exception as error:
            met.append(error)
            raise

    try:
        doomed.append(nodes.add_node(num_cpus=1))
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        nodes.wait_for_nodes()
        monkeypatch.setattr(ray, "wait", wait_for_both_and_lose_a_node)
        monkeypatch.setattr(ray, "get", get_and_remember)
        found = [*told(RayLauncher(2))]
    finally:
        ray.shutdown()
        nodes.shutdown()
    assert len(met) == 1
    assert isinstance(met[0], ray.exceptions.ObjectLostError)
    outcomes = [outcome for batch in found for outcome in batch]
    assert sorted(outcome.scene for outcome in outcomes) == ["s000", "s001", "s002", "s003"]
    assert {outcome.row["status"] for outcome in outcomes} == {"ok"}


def test_gpus_that_this_machine_lacks_are_refused_and_no_cluster_stays(told: Any) -> None:
    assert not ray.is_initialized()
    with pytest.raises(ConfigError, match=r"launcher.gpus: 198 GPUs are asked for in all, this"):
        next(told(RayLauncher(2, gpus=99)))
    assert not ray.is_initialized()
