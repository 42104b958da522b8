"""Loops that join agents, scenes and metrics into runs."""
