"""Files of Gaussians that others write: one file a format, `table.py` lists them all."""
