"""What one evaluation is asked to do: the composed configuration as one frozen record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class EvalSettings:
    """Nodes `agent`, `bench` and `launcher` are `{_target_: ..., option: value}`."""

    agent: Mapping[str, Any]
    agent_name: str
    bench: Mapping[str, Any]
    bench_name: str
    launcher: Mapping[str, Any] = field(
        default_factory=lambda: {"_target_": "drivelab.evaluation.launchers.local:LocalLauncher"}
    )
    verb: str = "eval"
    metric: str | None = None  # instead of the bench's own
    seed: int = 0
    limit: int | None = None  # the first n scenes
    scenes: tuple[str, ...] | None = None  # only these ids
    workers: int = 1
    batch: int = 8  # observations per call of `Agent.act`
    device: str = "cpu"
    run_dir: Path | None = None
    runs_root: Path = Path("runs")
    config: Mapping[str, Any] = field(default_factory=dict)  # as written to config.yaml
    command: str = ""  # as the user would type it again
