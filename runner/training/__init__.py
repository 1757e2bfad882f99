"""runner/training."""
