"""Planning rules as pure functions on arrays: IDM, centreline search."""
