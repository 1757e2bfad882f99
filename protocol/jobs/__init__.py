"""protocol/jobs."""
