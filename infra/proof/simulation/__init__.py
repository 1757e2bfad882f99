"""`sim-arena simulate`: the whole protocol in virtual time, under every fault, with its invariants checked.

Imports the protocol, `infra.access` and the rest of `infra.proof`. In the order to read it:

    scenario.py      what a seed draws: members, workers, faults
    learning.py      what trains: integers, or a learner of a package
    rights.py        what the attacker's credentials allow
    attacker.py      what it tries
    forgeries.py     what it sends in place of weights and states
    faults.py        the faults, injected at requests and into processes
    history.py       every request as it took effect
    run.py           one seed, from scenario to report
    evidence.py      what a finished run left behind, indexed
    plain.py         what is trained and averaged, computed once more
    invariants.py    the promises, with the checks of each
    checks_*.py      the checks: jobs, rounds, updates, cost, the attacker, learners
    many.py          many seeds, on all cores
    commands.py      the command
"""
