"""The step of the native world in plain NumPy: what the compiled functions are held against.

Same names and arguments as in `drivelab.kernels.world`; written from the definitions, not from the
compiled code.
"""
