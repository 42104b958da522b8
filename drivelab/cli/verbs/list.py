"""`drivelab list`: agents, benches, metrics and scenes that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drivelab.cli.choices import CUSTOM, Choice, conf_packages, group_choices, point_plugs
from drivelab.errors import ConfigError, nearest_name

USAGE = """usage: drivelab list [agents|benches|metrics]
       drivelab list scenes [bench=NAME] [data=...] [split=...]   one id a line"""

PLANS, DRIVES = "plans        ", "closed loop  "  # what a metric scores
OPEN, CLOSED, OTHER = "open loop    ", "closed loop  ", ""  # how a bench runs its agents
KINDS = ("agents", "benches", "metrics", "scenes")


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    kind = words[0] if words else ""
    if kind and kind not in KINDS:
        known = ", ".join(KINDS)
        raise ConfigError(f"list {kind}: {nearest_name(kind, KINDS)[2:]} (there are: {known})")
    if kind == "scenes":
        return _scenes(words[1:])
    if len(words) > 1:
        raise ConfigError(f"list {kind} takes no further words, got {words[1]!r}")
    if kind in ("", "agents"):
        _group("agents", "agent", "or your own: agent=package.module:Class")
    if kind in ("", "benches"):
        _group("benches", "bench", "")
    if kind in ("", "metrics"):
        _metrics()
    return 0


def _metrics() -> None:
    """What each metric scores; of a plug-in's that is only known when it is loaded."""
    from drivelab.metrics.metric_names import metric_targets
    from drivelab.metrics.registry import METRICS, ROLLOUT_METRICS

    kinds = {**dict.fromkeys(METRICS, PLANS), **dict.fromkeys(ROLLOUT_METRICS, DRIVES)}
    targets = sorted(metric_targets().items())
    _print("metrics", {name: f"{kinds.get(name, '')}{target}" for name, target in targets})


def _loop_of(choice: Choice) -> str:
    """Whether a bench's agents drive: those that do have a controller to choose."""
    if choice.file is None:
        return OTHER
    import yaml

    keys = yaml.safe_load(choice.file.read_text("utf-8")) or {}
    return CLOSED if "controller" in keys else OPEN


def _group(title: str, group: str, last: str) -> None:
    choices = {name: choice for name, choice in group_choices(group).items() if name != CUSTOM}
    loops = {name: _loop_of(choice) if group == "bench" else "" for name, choice in choices.items()}
    _print(title, {name: f"{loops[name]}{choice.line}" for name, choice in choices.items()})
    if last:
        print(f"  {last}")
    broken = {**point_plugs(group).broken, **conf_packages()[1]}
    for name, reason in broken.items():
        print(f"  {name}: left out, its plug-in is broken: {reason}")


def _print(title: str, lines: Mapping[str, str]) -> None:
    width = max((len(name) for name in lines), default=0) + 2
    print(f"{title}:")
    for name, line in lines.items():
        print(f"  {name:<{width}}{line}")


def _scenes(words: Sequence[str]) -> int:
    from drivelab.cli.compose import compose
    from drivelab.cli.overrides import read_request
    from drivelab.registry import build

    config = compose("show", read_request("show", words))
    for scene in build(config["bench"]).source().scene_ids():
        print(scene)
    return 0
