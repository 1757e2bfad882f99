"""infra/access."""
