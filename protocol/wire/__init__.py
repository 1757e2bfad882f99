"""protocol/wire."""
