"""agents/saved."""
