"""Gymnasium, PettingZoo and Stable-Baselines3 faces of the native world, over one batched core.

Importing this package registers `drivelab/Native-v0`, `drivelab/NativeBEV-v0` and
`drivelab/Splat-v0` with Gymnasium; `gymnasium.make("drivelab.sim.envs:drivelab/Native-v0")` does
both at once. What an environment needs is imported when it is made.
"""

from gymnasium.envs.registration import register

_HERE = "drivelab.sim.envs"

register(
    "drivelab/Native-v0",
    entry_point=f"{_HERE}.native:NativeEnv",
    vector_entry_point=f"{_HERE}.vector:NativeVectorEnv",
)
register(
    "drivelab/NativeBEV-v0",
    entry_point=f"{_HERE}.bev:NativeBEVEnv",
    vector_entry_point=f"{_HERE}.bev:NativeBEVVectorEnv",
)
register(
    "drivelab/Splat-v0",
    entry_point=f"{_HERE}.splat:SplatEnv",
    vector_entry_point=f"{_HERE}.splat:SplatVectorEnv",
)
