"""`sim-arena chaos`: the real commands on a real S3 server, killed at random behind a bad network.

Imports `infra.local.processes` and the protocol. In the order to read it:

    schedule.py      every signal and network fault, drawn from the seed
    faults.py        the kinds of network fault, and triggers at a request
    http.py          just enough HTTP/1.1 to read a request and an answer whole
    proxy.py         one client's way to the server
    network.py       all proxies, in a thread
    supervisor.py    processes started, signalled and replaced
    journal.py       everything that happened, written down
    check.py         the disturbed federation compared with the undisturbed one
    run.py           both federations
    commands.py      the command
"""
