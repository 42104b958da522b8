"""A composed config -> the settings of an evaluation."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivelab.cli.compose import NAMES
from drivelab.errors import ConfigError
from drivelab.evaluation.settings import EvalSettings

PROPOSALS = "drivelab.evaluation.proposals:ProposalAgent"


def settings_from(verb: str, config: Mapping[str, Any]) -> EvalSettings:
    """Check types and fill `EvalSettings`."""
    names = config[NAMES]
    agent, agent_name = config.get("agent"), names.get("agent")
    if verb == "score":
        file = Path(str(config["proposals"]))
        if not file.is_file():
            raise ConfigError(f"proposals={file}: no such file")
        agent, agent_name = {"_target_": PROPOSALS, "file": str(file)}, file.stem
    scenes = config["scenes"]
    run_dir = config["run"]["dir"]
    return EvalSettings(
        agent=agent or {},
        agent_name=str(agent_name),
        bench=config["bench"],
        bench_name=names["bench"],
        launcher=config["launcher"],
        verb=verb,
        seed=_whole(config, "seed"),
        limit=None if config["limit"] is None else _whole(config, "limit", least=1),
        scenes=None if scenes is None else tuple(str(scene) for scene in _list(scenes)),
        workers=_whole(config, "workers", least=1),
        batch=_whole(config, "batch", least=1),
        device=str(config["device"]),
        run_dir=Path(run_dir) if run_dir else None,
        runs_root=Path(config["run"]["root"]),
        config=config,
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _whole(config: Mapping[str, Any], key: str, *, least: int = 0) -> int:
    value = config[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{key}={value!r}: expected a whole number, {least} or more")
    return value
