"""Worlds made of Gaussians: scenes, what stands in them, streets built from maps, pictures."""
