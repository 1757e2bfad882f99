"""The controllers: a file a kind, each the state of one object and its `sync`.

They import the API server, scheduling and manifests of the engine. Read replica_set.py first, then rollout.py and
deployment.py, which work with it; stateful_set.py, daemon_set.py, job.py, cron_job.py and bare_pod.py stand alone.
"""
