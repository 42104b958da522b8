"""Pure geometry on arrays: poses, polylines, boxes."""
