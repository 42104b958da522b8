"""Compiled array kernels: tracker, boxes, polygons, scores. They know arrays only.

Everything here is numba with `cache=True`: compiled at the first call, loaded from disk afterwards
as long as no source that went into it has changed.
Kernels work proposal by proposal, so a batch gives bit for bit what a loop over it gives.
"""

from drivelab.kernels.compile_cache import install

install()
