"""The metrics that ship, by versioned name -> `module:Class`; plug-ins add theirs elsewhere."""

METRICS = {
    "pdms_v1.1": "drivelab.metrics.navsim.pdms:Pdms",
    "epdms_v2.2": "drivelab.metrics.navsim.epdms:Epdms",
    "epdms_v2.2_reactive": "drivelab.metrics.navsim.epdms_reactive:EpdmsReactive",
}

ROLLOUT_METRICS: dict[str, str] = {}  # of driven episodes, see drivelab.metrics.rollout_metric
