"""Gymnasium, PettingZoo and Stable-Baselines3 faces of the native world, over one batched core."""
