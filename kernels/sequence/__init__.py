"""Linear-time sequence ops on tensors of torch (extra `nn`): one recurrence in many dresses.

One folder an op: `ref.py` is the definition, `compiled.py`, `chunk.py` and `gpu.py` are the fast
backends, and the function beside them checks its arguments and picks one.
"""
