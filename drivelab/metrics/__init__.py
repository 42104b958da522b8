"""Scores: pure functions of maps, scenes and proposals."""
