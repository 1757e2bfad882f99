"""protocol/worker."""
