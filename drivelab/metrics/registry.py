"""The metrics that ship, by versioned name -> `module:Class`; plug-ins add theirs elsewhere."""

METRICS = {
    "pdms_v1.1": "drivelab.metrics.navsim.pdms:Pdms",
    "epdms_v2.2": "drivelab.metrics.navsim.epdms:Epdms",
    "epdms_v2.2_reactive": "drivelab.metrics.navsim.epdms_reactive:EpdmsReactive",
}

# Scores of driven episodes (`drivelab.metrics.rollout_metric`); the targets are called as they are.
ROLLOUT_METRICS = {
    "nuplan_cls_nr_v1.2": "drivelab.metrics.closed_loop.nuplan:non_reactive",
    "nuplan_cls_r_v1.2": "drivelab.metrics.closed_loop.nuplan:reactive",
    "rad9_v2": "drivelab.metrics.closed_loop.rad:paper",
    "rad9_released_v3": "drivelab.metrics.closed_loop.rad:released",
    "carla_ds_v1.0": "drivelab.metrics.closed_loop.carla:leaderboard_1_0",
    "carla_ds_v2.0": "drivelab.metrics.closed_loop.carla:leaderboard_2_0",
    "carla_ds_v2.1": "drivelab.metrics.closed_loop.carla:leaderboard_2_1",
    "bench2drive_v0.0.4": "drivelab.metrics.closed_loop.bench2drive:published",
    "bench2drive_corrected_v0.0.4": "drivelab.metrics.closed_loop.bench2drive:corrected",
    "hugsim_hd_v1": "drivelab.metrics.closed_loop.hugsim:published",
    "hugsim_hd_corrected_v1": "drivelab.metrics.closed_loop.hugsim:corrected",
    "neuroncap_v1": "drivelab.metrics.closed_loop.neuroncap:NeuroNcap",
    "scenario_pass_v1": "drivelab.sim.scenario.score:ScenarioPass",
    "alpasim_v1": "drivelab.metrics.closed_loop.alpasim:AlpaSim",
}
