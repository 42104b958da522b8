"""Rollouts on a Ray cluster (extra `ray`): actors with their own worlds and a copy of the policy.

Weights go into the object store once a version, and from there to every node once. An actor that
dies, with its node or alone, is replaced; the clips of its share are dropped, counted and told.
"""

from __future__ import annotations

import pickle
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import numpy as np

from drivelab.data.actor_resources import check_actor_resources
from drivelab.data.ray_cluster import connect, ray
from drivelab.errors import ConfigError, DrivelabError, RunError
from drivelab.training.rollouts.clips import UNTAUGHT, DrivenClips, Harvest
from drivelab.training.rollouts.fleet import MakeWorker, drive_share
from drivelab.training.rollouts.shares import Lost, Share, join_harvests, shares_of

PATIENCE = 300.0  # for a place on the cluster while no actor is left [s]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where actors live.

    Attributes:
        actors: how many.
        address: of a running cluster, such as "auto"; None starts one on this machine.
        cpus, gpus: of each actor.
        ship: whether they are sent the drivelab of this process.
    """

    actors: int = 2
    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    ship: bool = False

    def __post_init__(self) -> None:
        if type(self.actors) is not int or self.actors < 1:
            raise ConfigError(f"workers={self.actors}: expected 1 or more")
        check_actor_resources(self.cpus, self.gpus)


class ClipActor:
    """A rollout worker inside an actor."""

    def __init__(self, packed: bytes, search_path: Sequence[str]) -> None:
        # The maker may name modules of the driver's folder: importable before it is unpacked.
        sys.path.extend(folder for folder in search_path if folder not in sys.path)
        self._worker = pickle.loads(packed)()

    def ready(self) -> bool:
        """Answered once the worlds stand."""
        return True

    def drive(
        self, version: int, weights: Mapping[str, np.ndarray], share: Share
    ) -> Harvest | Lost:
        """The clips of a share, by these weights."""
        if version != self._worker.version:
            # what lies in the object store cannot be written to, and torch warns of such arrays
            self._worker.load(version, {k: array.copy() for k, array in weights.items()})
        return drive_share(self._worker, share)


@dataclass(eq=False, slots=True)
class _Seat:
    """A place for an actor: who sits there, and what it is busy with (None: with getting ready)."""

    number: int
    actor: Any
    share: Share | None = None


class RayFleet:
    """Actors of a cluster, which drive while the learner learns.

    Args:
        make_worker: makes an actor's worker; pickled, so a function of a module.
        size: clips of a share.
        cluster: where.
    """

    def __init__(self, make_worker: MakeWorker, size: int, cluster: Cluster) -> None:
        self._size, self._cluster = size, cluster
        self._began = connect(
            cluster.address, cluster.actors * cluster.cpus, cluster.actors * cluster.gpus,
            ship=cluster.ship,
        )  # fmt: skip
        self._packed = ray.put(pickle.dumps(make_worker))
        self._idle: list[_Seat] = []
        self._busy: dict[Any, _Seat] = {}  # by what they will answer
        self._waiting: deque[Share] = deque()
        self._found: dict[int, Harvest | Lost] = {}
        self._version, self._weights = UNTAUGHT, ray.put({})
        self._replaced, self._bytes = 0, 0
        for number in range(cluster.actors):
            self._hire(number)

    def send(
        self, version: int, weights: Mapping[str, np.ndarray], seeds: Sequence[int], draws: int
    ) -> None:
        """See `Fleet`; the actors that are ready begin at once."""
        self._version, self._weights = version, ray.put(dict(weights))
        nodes = sum(bool(node["Alive"]) for node in ray.nodes())  # each takes them once
        self._bytes = sum(array.nbytes for array in weights.values()) * nodes
        self._replaced, self._found = 0, {}
        self._waiting = deque(shares_of(seeds, draws, self._size))
        self._hand_out()

    def fetch(self) -> Harvest:
        """See `Fleet`.

        Raises:
            RunError: no actor was left, and none found a place; or no clip could be driven.
        """
        since = monotonic()
        while self._waiting or self._driving:
            done, _ = ray.wait(list(self._busy), num_returns=1, timeout=1.0)
            for answer in done:
                self._receive(answer)
            self._hand_out()
            since = monotonic() if self._driving else since
            if monotonic() - since > PATIENCE:
                raise RunError(
                    f"no actor found a place within {PATIENCE:.0f} s: each asks for "
                    f"{self._cluster.cpus:g} CPUs and {self._cluster.gpus:g} GPUs, the cluster has "
                    f"{ray.cluster_resources()}; the last checkpoint is whole"
                )
        return join_harvests([self._found[number] for number in sorted(self._found)])

    def told(self) -> dict[str, float]:
        """See `Fleet`."""
        return {"broadcast_bytes": float(self._bytes), "replaced": float(self._replaced)}

    def close(self) -> None:
        """See `Fleet`; a cluster that was started here ends."""
        for seat in [*self._idle, *self._busy.values()]:
            ray.kill(seat.actor)
        self._idle, self._busy = [], {}
        if self._began:
            ray.shutdown()

    @property
    def _driving(self) -> bool:
        return any(seat.share is not None for seat in self._busy.values())

    def _hire(self, number: int) -> None:
        remote = ray.remote(
            num_cpus=self._cluster.cpus, num_gpus=self._cluster.gpus, max_restarts=0,
            scheduling_strategy="DEFAULT",  # not among what is set aside for a learner of several
            runtime_env={"env_vars": dict.fromkeys(_THREADS, "1")},
        )  # fmt: skip
        actor = remote(ClipActor).remote(self._packed, list(sys.path))
        self._busy[actor.ready.remote()] = _Seat(number, actor)

    def _hand_out(self) -> None:
        """Give the idle what waits: of all shares the one a seat had in other rounds, if it can."""
        while self._waiting and self._idle:
            seat = self._idle.pop(0)
            own = [s for s in self._waiting if s.number % self._cluster.actors == seat.number]
            share = own[0] if own else self._waiting[0]
            self._waiting.remove(share)
            seat.share = share
            answer = seat.actor.drive.remote(self._version, self._weights, share)
            self._busy[answer] = seat

    def _receive(self, answer: Any) -> None:
        seat = self._busy.pop(answer)
        share, seat.share = seat.share, None
        try:
            found = ray.get(answer)
        except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError) as error:
            self._replace(seat, share, error)  # lost: driven, but gone with its node's memory
            return
        except ray.exceptions.RayTaskError as error:
            self._idle.append(seat)
            told = error.cause if isinstance(error.cause, DrivelabError) else None
            raise told or error.as_instanceof_cause() from error
        self._idle.append(seat)
        if share is not None:
            self._found[share.number] = found if isinstance(found, Lost) else _own(found)

    def _replace(self, seat: _Seat, share: Share | None, error: Exception) -> None:
        reason = " ".join(str(error).split())
        if "creation task" in reason:  # its worlds raised, and would again
            raise RunError(f"an actor could not make its worlds: {reason[-600:]}") from error
        ray.kill(seat.actor)  # it may have outlived what it answered
        self._replaced += 1
        if share is not None:
            self._found[share.number] = Lost(
                share, f"its actor died, or what it drove: {reason[:200]}"
            )
        self._hire(seat.number)


def _own(found: Harvest) -> Harvest:
    """A copy: what lies in the object store cannot be written to, and stays while it is held."""
    arrays = {name: array.copy() for name, array in found.clips.arrays().items()}
    return replace(found, clips=DrivenClips.from_arrays(arrays))
