"""Scenes and scenarios that ship with the package."""
