"""Scenarios: YAML texts that become episodes of a world."""
