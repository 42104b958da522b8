"""Hydra configuration: one YAML per choice."""
