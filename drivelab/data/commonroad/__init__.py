"""CommonRoad scenarios (XML, versions 2018b and 2020a)."""

from drivelab.data.commonroad.scenario import load_commonroad, load_commonroad_map

__all__ = ["load_commonroad", "load_commonroad_map"]
