"""Rounds: may one close, who is averaged, how a federation ends.

Read in this order: `decide.py` (the pure decision), `updates.py` (what is known of an update), `aggregate.py` (what a
closer needs of a strategy), `averaging.py` (the strategies, with bytes on both sides), `federation.py` (how far a
federation is, and how it ends), `reader.py` (reads what a round depends on), `participation.py` (who took part in
closed rounds), `closer.py` (carries the decision out), `objections.py` (what speaks against another's decision: pure),
`audit.py` (makes a round's average again), `server.py` (a closer for every unfinished federation; members that close
rounds use `closer.py` alone).

May import `protocol.jobs`, `protocol.wire` and `protocol.strategies`; not the runner. `averaging.py` alone imports
`agents`: how tensors are named and saved.
"""
