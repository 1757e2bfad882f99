"""protocol/strategies."""
