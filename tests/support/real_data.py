"""Where the real logs and maps lie that tests marked `data` read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def real_data(part: str) -> Path:
    """A folder below `DRIVELAB_DATA`; where that is not set the test is skipped."""
    root = os.environ.get("DRIVELAB_DATA")
    if not root:
        pytest.skip("DRIVELAB_DATA is not set")
    return Path(root) / part
