"""A worker: claims jobs, trains them, waits at the barrier of a federation.

Read in this order: `worker_loop.py` (find a job, attempt it, go on), `next_step.py` (what an attempt does next: pure),
`attempt.py` (does it: one method for each step), `learner.py` (the seam to what trains), `barrier.py` (asks for a
round's global weights, may close the round), `siblings.py` (members to run meanwhile), `results.py` (how it ended).

May import `protocol.rounds`, `protocol.jobs` and `protocol.wire`; neither torch nor the runner.
"""
