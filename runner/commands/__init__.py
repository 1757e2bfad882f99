"""runner/commands."""
