"""Metric names -> metrics: our own, a plug-in's, or any class by `package.module:Class`."""

from __future__ import annotations

from typing import Any

from drivelab.errors import ConfigError, nearest_name
from drivelab.registry import METRICS, find_plugs, load_object


def metric_targets() -> dict[str, str]:
    """All metric names and the classes behind them; imports none of them."""
    from drivelab.metrics.registry import METRICS as OWN
    from drivelab.metrics.registry import ROLLOUT_METRICS

    plugs = find_plugs(METRICS).plugs
    return {**{name: plug.target for name, plug in plugs.items()}, **OWN, **ROLLOUT_METRICS}


def rollout_metrics() -> tuple[str, ...]:
    """Names of drivelab's own scores of closed-loop rollouts."""
    from drivelab.metrics.registry import ROLLOUT_METRICS

    return tuple(ROLLOUT_METRICS)


def find_metric(name: str) -> Any:
    """Make the metric of this name: a `Metric` of plans or a `RolloutMetric`."""
    if ":" in name:
        return load_object(name)()
    targets = metric_targets()
    if name not in targets:
        known = ", ".join(sorted(targets))
        raise ConfigError(f"no metric {name!r}{nearest_name(name, targets)}; there are: {known}")
    return load_object(targets[name])()
