"""Reinforcement learning in closed loop after RAD (arXiv 2502.13144v2): advantages and losses.

Where the paper and its released scripts differ, `compat="paper"` follows the paper and is meant for
learning; `compat="released"` reproduces the scripts number by number, mistakes included.
"""
