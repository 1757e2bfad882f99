"""Rounds: may one close, who is averaged, how a federation ends.

Read in this order: `decide.py` (the pure decision), `updates.py` (what is known of an update), `aggregation.py` (what a
closer needs of a strategy), `federation.py` (how far a federation is, and how it ends), `closer.py` (carries the
decision out), `server.py` (a closer for every unfinished federation; members that close rounds use `closer.py` alone).

May import `protocol.jobs` and `protocol.wire`; neither torch nor the runner.
"""
