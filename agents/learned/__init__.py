"""What agents whose plans are a network's have in common: sight, weights, acting, being taught."""
