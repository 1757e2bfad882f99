"""protocol/rounds."""
