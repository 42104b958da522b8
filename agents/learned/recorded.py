"""A network on a GPU, its launches recorded once and replayed: a plan costs one launch.

Not run yet: no GPU was at hand. What can be held without one is that nothing in `plan` waits for
the device or brings numbers to it (`tests/test_learned_recorded.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from drivelab.agents.transfuser.inputs import check_features

WARM = 3  # calls before one is recorded: libraries choose their kernels in the first ones


@dataclass(frozen=True, slots=True)
class Recording:
    """One graph of launches.

    Attributes:
        graph: what is replayed.
        given: tensors that it reads.
        found: tensors that it writes.
    """

    graph: Any
    given: Mapping[str, Tensor]
    found: Mapping[str, Tensor]


class RecordedNetwork:
    """Plans of a fast network, replayed for every batch size met (CUDA graphs).

    Args:
        network: with `perception.needs`, `drawn(rows)` and `plan(features, **drawn)`, on a GPU.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self._recordings: dict[tuple[int, bool], Recording] = {}

    @torch.inference_mode()
    def __call__(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As the network's `forward`."""
        needs = self.network.perception.needs
        check_features(features, needs)
        rows = len(features["status_feature"])
        given = {name: features[name] for name in needs} | self.network.drawn(rows)
        key = (rows, torch.is_autocast_enabled("cuda"))
        if key not in self._recordings:
            self._recordings[key] = self._record(given, tuple(needs))
        recording = self._recordings[key]
        for name, value in given.items():
            recording.given[name].copy_(value)
        recording.graph.replay()
        return {name: value.clone() for name, value in recording.found.items()}

    def _record(self, given: Mapping[str, Tensor], needs: tuple[str, ...]) -> Recording:
        held = {name: value.clone() for name, value in given.items()}
        features = {name: held[name] for name in needs}
        drawn = {name: value for name, value in held.items() if name not in needs}
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM):
                self.network.plan(features, **drawn)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            found = self.network.plan(features, **drawn)
        return Recording(graph, held, found)
