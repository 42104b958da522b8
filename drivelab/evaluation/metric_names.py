"""Metric names -> metrics: our own, a plug-in's, or any class by `package.module:Class`."""

from __future__ import annotations

from drivelab.errors import ConfigError, nearest_name
from drivelab.metrics.metric import Metric
from drivelab.registry import METRICS, find_plugs, load_object


def metric_targets() -> dict[str, str]:
    """All metric names and the classes behind them; imports none of them."""
    from drivelab.metrics.registry import METRICS as OWN

    plugs = find_plugs(METRICS).plugs
    return {**{name: plug.target for name, plug in plugs.items()}, **OWN}


def find_metric(name: str) -> Metric:
    """Make the metric of this name."""
    if ":" in name:
        return load_object(name)()
    targets = metric_targets()
    if name not in targets:
        known = ", ".join(sorted(targets))
        raise ConfigError(f"no metric {name!r}{nearest_name(name, targets)}; there are: {known}")
    return load_object(targets[name])()
