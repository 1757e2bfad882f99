"""Tests of the protocol that users can run: nothing that runs in production imports this room.

May import everything below it, `infra.local` and `infra.access`. In the order to read it:

    virtual_threads.py   simulated processes, of whose threads one runs at a time
    virtual_time.py      `World`: virtual time, latencies and an S3 in memory, from one seed
    standin.py           a learner that trains an integer, and simulated workers and sync-servers
    tiny_learner.py      a learner of a few numbers, as a package of a user's would bring it
    simulation/          `sim-arena simulate`: random faults, every invariant checked
    chaos/               `sim-arena chaos`: real processes, real signals, a bad network
    conformance/         `sim-arena s3 check`: what an S3 server must give
    model/               rounds.pml, a model of a round for the checker Spin
    control_plane/       `make cluster`: a real Kubernetes with SimKube, without containers
"""
