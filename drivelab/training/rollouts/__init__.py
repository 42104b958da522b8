"""Rollouts: whole clips driven in a batched world, to learn from.

Weights go in with their version, clips come out as arrays; nothing here knows where it runs.
"""
