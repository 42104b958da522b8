"""The metrics that ship, by versioned name; imported only when asked for."""

from __future__ import annotations

from importlib import import_module

from drivelab.errors import ConfigError, nearest_name
from drivelab.metrics.metric import Metric

METRICS = {
    "pdms_v1.1": "drivelab.metrics.navsim.pdms:Pdms",
    "epdms_v2.2": "drivelab.metrics.navsim.epdms:Epdms",
    "epdms_v2.2_reactive": "drivelab.metrics.navsim.epdms_reactive:EpdmsReactive",
}


def get_metric(name: str) -> Metric:
    """Build a metric by name."""
    try:
        module, attribute = METRICS[name].split(":")
    except KeyError:
        raise ConfigError(
            f"unknown metric {name!r}{nearest_name(name, METRICS)}; known: {', '.join(METRICS)}"
        ) from None
    metric: Metric = getattr(import_module(module), attribute)()
    return metric
