"""infra/bench/federation."""
