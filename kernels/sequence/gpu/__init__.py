"""Kernels of the sequence ops for NVIDIA GPUs, in Triton; imported by an op's `gpu.py` only."""
