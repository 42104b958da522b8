"""Learners: loops that turn environments and data into policies."""
