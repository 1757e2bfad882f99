"""runner/bench."""
