"""`sim-arena simulate`: the whole protocol in virtual time, under every fault, with its invariants checked.

Imports the protocol, `infra.access` and the rest of `infra.proof`. In the order to read it:

    scenario.py      what a seed draws: members, workers, faults
    rights.py        what the attacker's credentials allow
    attacker.py      what it tries
    faults.py        the faults, injected at requests and into processes
    history.py       every request as it took effect
    run.py           one seed, from scenario to report
    evidence.py      what a finished run left behind, indexed
    invariants.py    the promises, with the checks of each
    checks_*.py      the checks: jobs, rounds, updates, cost, the attacker
    many.py          many seeds, on all cores
    commands.py      the command
"""
