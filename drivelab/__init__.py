"""drivelab: train and judge end-to-end driving policies in closed loop."""

__version__ = "0.1.0"
