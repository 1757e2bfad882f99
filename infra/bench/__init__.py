"""infra/bench."""
