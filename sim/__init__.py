"""Worlds, and the generator of embedded scenes."""
