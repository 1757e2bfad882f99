"""`sim-arena simulate`: the whole protocol in virtual time, under every fault, with its invariants checked.

Imports the protocol and the rest of `infra.proof`. In the order to read it:

    scenario.py      what a seed draws: members, workers, faults
    faults.py        the faults, injected at requests and into processes
    history.py       every request as it took effect
    run.py           one seed, from scenario to report
    evidence.py      what a finished run left behind, indexed
    invariants.py    the promises, with the checks of each
    checks_*.py      the checks: jobs, rounds, updates, cost
    many.py          many seeds, on all cores
    commands.py      the command
"""
