"""runner/evaluation."""
