"""protocol/commands."""
