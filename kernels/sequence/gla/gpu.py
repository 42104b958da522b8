"""Gated linear attention on a GPU; `gpu/scan.py` says how."""

from __future__ import annotations

from drivelab.kernels.sequence.gpu.one_way import OneWay

gla_triton = OneWay("gla").operator()
