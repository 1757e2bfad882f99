"""`sim-arena chaos`: the real commands on a real S3, killed at random behind a bad network."""
