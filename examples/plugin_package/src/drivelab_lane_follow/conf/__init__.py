"""Config files of the example plug-in."""
