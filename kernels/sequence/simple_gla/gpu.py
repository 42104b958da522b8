"""The recurrence with one gate a head on a GPU; `gpu/scan.py` says how."""

from __future__ import annotations

from drivelab.kernels.sequence.gpu.one_way import OneWay

simple_gla_triton = OneWay("simple_gla").operator()
