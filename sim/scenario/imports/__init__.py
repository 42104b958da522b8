"""Scenarios of other simulators -> ours; what has no meaning here ends up in `notes`."""
