"""Scores of driven episodes: pure functions of (scene, rollout), one benchmark a module."""
