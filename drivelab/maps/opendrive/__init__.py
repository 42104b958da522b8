"""OpenDRIVE."""
