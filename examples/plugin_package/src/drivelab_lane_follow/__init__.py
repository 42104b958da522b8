"""Example plug-in for drivelab."""
