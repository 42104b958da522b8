"""OpenDRIVE: files -> lane maps, and lane maps -> files."""

from drivelab.maps.opendrive.network_map import OpenDriveMap
from drivelab.maps.opendrive.reader import parse_opendrive, read_opendrive
from drivelab.maps.opendrive.writer import write_opendrive

__all__ = ["OpenDriveMap", "parse_opendrive", "read_opendrive", "write_opendrive"]
