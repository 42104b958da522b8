"""Who drives: shares, this process, and actors of a real Ray cluster that die."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from rad_clips import Blind, blind_worker, deadly, gated, walled  # noqa: E402

from drivelab.errors import ConfigError, DrivelabError, RunError  # noqa: E402
from drivelab.training.reinforcement.settings import ReinforcementSettings  # noqa: E402
from drivelab.training.rollouts.clips import Harvest  # noqa: E402
from drivelab.training.rollouts.fleet import Fleet, LocalFleet  # noqa: E402
from drivelab.training.rollouts.shares import Lost, Share, join_harvests, shares_of  # noqa: E402
from drivelab.training.rollouts.worker import weights_of  # noqa: E402

pytestmark = pytest.mark.nn
WEIGHTS = weights_of(Blind(30, 10, sure=0.02))
SEEDS = [5, 0, 3, 1, 4, 2, 7]


def never(seed: int) -> Any:
    raise OSError(f"no clip {seed}")


def drive(fleet: Fleet, version: int = 1, seeds: list[int] = SEEDS) -> Harvest:
    fleet.send(version, WEIGHTS, seeds, 11)
    return fleet.fetch()


def wait_for_two(folder: Path) -> None:
    """Until two actors have asked for clips of `gated`; an actor may take a minute to begin."""
    deadline = time.monotonic() + 300
    while len(list(folder.glob("asked-*"))) < 2:
        assert time.monotonic() < deadline, "two actors should be driving by now"
        time.sleep(0.1)


def assert_same(one: Harvest, other: Harvest) -> None:
    assert one.dropped == other.dropped
    wanted = one.clips.arrays()
    for name, array in other.clips.arrays().items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)


class TestShares:
    def test_hold_neighbours_and_draw_by_themselves(self):
        shares = shares_of(SEEDS, 11, 3)
        assert [share.seeds for share in shares] == [(0, 1, 2), (3, 4, 5), (7,)]
        assert [share.number for share in shares] == [0, 1, 2]
        assert len({share.draws for share in shares}) == 3
        assert shares == shares_of(sorted(SEEDS), 11, 3)
        assert [s.draws for s in shares] != [s.draws for s in shares_of(SEEDS, 12, 3)]
        assert all(0 <= share.draws < 2**63 for share in shares)
        assert shares_of([], 11, 3) == []

    def test_a_lost_one_is_counted_and_the_others_stay(self):
        driven = drive(LocalFleet(partial(blind_worker, walled), 2), seeds=[3])
        lost = Lost(Share(1, (8, 9), 0), "its actor died")
        both = join_harvests([driven, lost])
        assert [(clip.seed, clip.reason) for clip in both.dropped] == [
            (8, "its actor died"), (9, "its actor died"),
        ]  # fmt: skip
        assert both.clips.seeds.tolist() == [3]
        with pytest.raises(RunError, match="none of 2 clips could be driven; the first: its actor"):
            join_harvests([lost])


def test_this_process_drives_all_shares_and_tells_what_it_dropped():
    found = drive(LocalFleet(partial(blind_worker, walled), 2))
    assert found.clips.seeds.tolist() == sorted(SEEDS)
    assert set(found.clips.version.tolist()) == {1}
    with pytest.raises(RunError, match=r"none of 7 clips could be driven; .*no clip 0"):
        drive(LocalFleet(partial(blind_worker, never), 2))


def test_workers_and_driving_ahead_take_a_cluster(tmp_path: Path):
    ReinforcementSettings(tmp_path).check_alone()
    with pytest.raises(ConfigError, match="workers=2: expected 1 without workers of a cluster"):
        ReinforcementSettings(tmp_path, workers=2).check_alone()
    with pytest.raises(ConfigError, match=r"ahead=True: .*add launcher=ray"):
        ReinforcementSettings(tmp_path, ahead=True).check_alone()
    ReinforcementSettings(tmp_path, workers=4, environments=16).check_cluster()
    with pytest.raises(ConfigError, match=r"workers=5: expected at most 4: .*environments=16"):
        ReinforcementSettings(tmp_path, workers=5, environments=16).check_cluster()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of two nodes with one CPU each."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    cluster.wait_for_nodes()
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.ray
class TestCluster:
    def fleet(self, source: Any, size: int = 2, actors: int = 2) -> Any:
        from drivelab.training.rollouts.ray_fleet import Cluster, RayFleet

        return RayFleet(partial(blind_worker, source), size, Cluster(actors))

    def test_actors_drive_what_this_process_drives(self, nodes: Any):
        fleet = self.fleet(walled)
        here = LocalFleet(partial(blind_worker, walled), 2)
        for version in (1, 2):
            assert_same(drive(here, version), drive(fleet, version))
        size = sum(array.nbytes for array in WEIGHTS.values())
        assert fleet.told() == {"broadcast_bytes": 2.0 * size, "replaced": 0.0}
        fleet.close()

    def test_a_dead_actor_is_replaced_and_only_its_share_is_dropped(
        self, nodes: Any, tmp_path: Path
    ):
        fleet = self.fleet(partial(deadly, folder=str(tmp_path), fatal=3))
        found = drive(fleet)
        assert [clip.seed for clip in found.dropped] == [2, 3]
        assert "its actor died" in found.dropped[0].reason
        assert found.clips.seeds.tolist() == [0, 1, 4, 5, 7]
        assert fleet.told()["replaced"] == 1.0
        again = drive(fleet, 2)
        assert (again.dropped, again.clips.seeds.tolist()) == ((), sorted(SEEDS))
        fleet.close()

    def test_a_dead_node_takes_its_share_and_the_rest_goes_on(self, nodes: Any, tmp_path: Path):
        fleet = self.fleet(partial(gated, folder=str(tmp_path)))
        fleet.send(1, WEIGHTS, SEEDS, 11)
        with ThreadPoolExecutor(1) as waiting:
            answer = waiting.submit(fleet.fetch)
            try:  # nothing below may leave the gate shut: the pool waits for the answer
                wait_for_two(tmp_path)
                node = next(node for node in nodes.list_all_nodes() if node != nodes.head_node)
                nodes.remove_node(node, allow_graceful=False)
            finally:
                (tmp_path / "go").touch()
            found = answer.result(120)
        assert len(found.dropped) == 2
        assert sorted([*found.clips.seeds.tolist(), *(c.seed for c in found.dropped)]) == [
            *range(6), 7,
        ]  # fmt: skip
        nodes.add_node(num_cpus=1)
        assert drive(fleet, 2).dropped == ()
        fleet.close()

    @pytest.mark.slow
    def test_what_a_dead_node_had_driven_ahead_is_dropped_and_counted(self, nodes: Any):
        import ray

        fleet = self.fleet(walled, size=4)
        seeds = list(range(8))
        assert drive(fleet, 1, seeds).dropped == ()
        fleet.send(2, WEIGHTS, seeds, 12)  # the learner learns meanwhile, and both answers wait
        ray.wait(list(fleet._busy), num_returns=2, timeout=60, fetch_local=False)
        node = next(node for node in nodes.list_all_nodes() if node != nodes.head_node)
        nodes.remove_node(node, allow_graceful=False)
        nodes.add_node(num_cpus=1)
        found = fleet.fetch()
        assert len(found.dropped) == 4
        assert "what it drove" in found.dropped[0].reason
        assert sorted([*found.clips.seeds.tolist(), *(c.seed for c in found.dropped)]) == seeds
        assert fleet.told()["replaced"] == 1.0
        assert drive(fleet, 3, seeds).dropped == ()
        fleet.close()

    def test_what_drivelab_tells_in_an_actor_is_told_here_without_a_traceback(self, nodes: Any):
        fleet = self.fleet(walled)
        broken = {**WEIGHTS, "lateral_value": np.array(np.nan, np.float32)}
        fleet.send(1, broken, SEEDS, 11)
        with pytest.raises(DrivelabError) as told:
            fleet.fetch()
        assert "ray::" not in str(told.value)
        assert "not finite" in str(told.value)
        fleet.close()

    def test_worlds_that_cannot_be_made_end_it(self, nodes: Any):
        from drivelab.training.rollouts.ray_fleet import Cluster, RayFleet

        fleet = RayFleet(partial(blind_worker, walled, "two"), 2, Cluster(1))
        fleet.send(1, WEIGHTS, SEEDS, 11)
        with pytest.raises(RunError, match="an actor could not make its worlds"):
            fleet.fetch()
        fleet.close()
