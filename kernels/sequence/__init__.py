"""Linear-time sequence ops on tensors of torch (extra `nn`): one recurrence in many dresses.

One folder an op: `ref.py` is the definition, `compiled.py`, `chunk.py` and `gpu.py` are the fast
backends, and the function beside them checks its arguments and picks one.
"""

from __future__ import annotations

try:
    import torch as torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError(
        f"{__name__} needs the package 'torch', which is not installed: pip install 'drivelab[nn]'",
        name="torch",
    ) from error
