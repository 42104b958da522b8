"""The package that travels: actors run a copy of the driver's code, not what their node has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import drivelab
from drivelab.data.own_package import copy_own_package
from drivelab.errors import ConfigError


def test_the_copy_is_whole_and_has_nothing_compiled(tmp_path: Path):
    copy = copy_own_package(tmp_path)
    assert copy == tmp_path / "drivelab"
    own = Path(str(drivelab.__file__)).parent
    for part in ("agents/rad/agent.py", "conf/eval.yaml", "sim/radlab.json", "kernels/__init__.py"):
        assert (copy / part).read_bytes() == (own / part).read_bytes()
    assert not any(file.is_symlink() for file in copy.rglob("*"))
    assert not [*copy.rglob("__pycache__"), *copy.rglob("*.nbc")]


@pytest.fixture(scope="module")
def nodes() -> Iterator[str]:
    """The address of a cluster of two nodes."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    ray.shutdown()
    options = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster.address
    cluster.shutdown()


# Run by another process, whose drivelab lies in a folder that goes away: as on another machine the
# actors do not find it there.
DRIVER = """
import shutil, sys
from pathlib import Path
import drivelab
from drivelab.data.ray_cluster import connect, ray

folder, address = Path(sys.argv[1]), sys.argv[2]
assert Path(drivelab.__file__).is_relative_to(folder)
assert connect(address, 2, ship=True)
assert not connect(address, 2, ship=True)
shutil.rmtree(folder)

@ray.remote(num_cpus=1, scheduling_strategy="SPREAD")
def where():
    import drivelab
    from drivelab.sim.radlab import clip_ids
    return drivelab.__file__, len(clip_ids("test"))

for file, clips in ray.get([where.remote(), where.remote()]):
    print(file, clips)
"""


@pytest.mark.ray
def test_a_connection_that_is_there_cannot_send_any_more(nodes: str):
    ray_cluster = pytest.importorskip("drivelab.data.ray_cluster")
    with ray_cluster.ray.init(address=nodes, log_to_driver=False, logging_level="ERROR"):
        assert ray_cluster.connect(nodes, 2) is False
        with pytest.raises(ConfigError, match=r"launcher.ship=true: .*call ray.shutdown\(\) first"):
            ray_cluster.connect(nodes, 2, ship=True)


@pytest.mark.ray
def test_actors_of_a_cluster_run_what_was_sent(nodes: str, tmp_path: Path):
    home = copy_own_package(tmp_path).parent
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(home), nodes],
        capture_output=True, text=True, cwd=tmp_path.parent, timeout=240,
        env={**os.environ, "PYTHONPATH": str(home)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [line.split() for line in done.stdout.splitlines()]
    assert len(answers) == 2
    for file, clips in answers:
        assert "py_modules" in file
        assert clips == "300"


# An agent that leaves word where its drivelab lies, in a file for each process that drives with it.
TELLER = """
import os
from pathlib import Path

import drivelab
from drivelab.agents.constant_velocity.agent import ConstantVelocity


class Teller(ConstantVelocity):
    def act(self, observations):
        (Path(__file__).parent / f"seen-{os.getpid()}").write_text(drivelab.__file__)
        return super().act(observations)
"""


@pytest.mark.ray
@pytest.mark.slow  # a second driver on the cluster
def test_an_evaluation_drives_with_what_was_sent(nodes: str, tmp_path: Path):
    home = copy_own_package(tmp_path / "sent").parent
    (tmp_path / "teller.py").write_text(TELLER)
    words = ["eval", "agent=teller:Teller", "bench=navsim", "data=embedded", "limit=4", "workers=2"]
    words += ["launcher=ray", f"launcher.address={nodes}", "launcher.ship=true", "run.dir=run"]
    done = subprocess.run(
        [sys.executable, "-c", "from drivelab.cli import main; raise SystemExit(main())", *words],
        capture_output=True, text=True, cwd=tmp_path, timeout=240,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (home, tmp_path)))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [file.read_text() for file in tmp_path.glob("seen-*")]
    assert found
    assert all("py_modules" in file for file in found)
