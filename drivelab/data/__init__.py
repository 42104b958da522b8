"""Logs on disk -> scenes."""
