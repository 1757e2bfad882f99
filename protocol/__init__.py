"""Sim-Arena's S3 protocol: keys, claims, rounds, averaging, and the commands `dispatch`, `worker`, `sync-server`."""
