"""NAVSIM / OpenScene logs: pickled 2 Hz frames, split files, sensor blobs, synthetic scenes."""
