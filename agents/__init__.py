"""Policies and rule agents: observation -> plan."""
