"""Settings of the whole suite."""

from __future__ import annotations

import os

from hypothesis import settings

# Examples vary from run to run on a developer's machine and repeat in CI.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
