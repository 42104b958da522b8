"""Compiled steps of the native world, on the arrays of `drivelab.kernels.world.arrays`."""
