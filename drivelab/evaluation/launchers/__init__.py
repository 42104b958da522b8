"""Where the work of a run is done: this process, several, or a Ray cluster."""
