"""The native traffic world: episodes in, rollouts out, batched over environments."""
