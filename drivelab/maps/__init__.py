"""Queries on lane maps: index, drivable area, routes."""
