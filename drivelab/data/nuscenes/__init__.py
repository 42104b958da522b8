"""nuScenes: JSON logs, and their making from the official tables."""
