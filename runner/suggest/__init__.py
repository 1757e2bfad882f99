"""runner/suggest."""
