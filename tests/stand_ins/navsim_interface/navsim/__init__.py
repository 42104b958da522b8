"""Stands for an installed navsim: the documented interface of agents, and nothing behind it."""
