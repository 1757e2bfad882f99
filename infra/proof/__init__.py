"""infra/proof."""
