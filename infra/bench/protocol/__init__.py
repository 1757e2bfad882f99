"""`sim-arena bench protocol`: what federations cost, and how that grows.

Imports the protocol and `infra.proof` (virtual time). In the order to read it:

    meter.py       requests counted and priced
    world.py       federations that train nothing, in virtual time
    cases.py       cost and latency by size
    idle.py        the cost of processes that wait
    deadline.py    members that die or lag, in rounds with a deadline
    real.py        the same in real time
    closing.py     time and memory of an average; flower.py has Flower's, for comparison
    goals.py       what the protocol promises, beside what was measured
    tables.py, plot.py, commands.py
"""
