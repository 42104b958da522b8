"""Sensors of a simulated vehicle: rigs, cameras, lidars, status, and what is wrong with them."""
