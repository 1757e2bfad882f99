"""`sim-arena bench flower`: the learner `digits` as a federation of ours and as one of Flower's, on this machine.

Flower pins older releases of packages that we use, so it has a virtual environment of its own, which finds torch and
this code in ours. To be read in this order: `environment.py` (that environment), `digits_app` (the Flower app),
`measure.py` (the memory of processes, and when rounds ended), `engines.py` (a federation by each of the engines),
`runs.py` (which of them, and which processes are killed), `commands.py`. Imports `infra.local` and the protocol.
"""
