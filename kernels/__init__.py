"""Compiled array kernels: tracker, boxes, polygons. They know arrays only."""
