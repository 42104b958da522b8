"""Benches: a set of scenes, a metric and a version, chosen by a few options."""
