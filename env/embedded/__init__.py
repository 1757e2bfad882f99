"""A cluster in this process and in virtual time: replays on the engine, in well under a millisecond.

It imports problems, traces and the engine. To be read in this order: `objects_read.py` and `timeline.py` (a trace, read
once), `cluster.py` (the replay), `asked.py` (what a workload of any kind asks for at its end), `kept_replays.py` (its
observations on disk), `neighbours.py` (what other workloads lack at its end), `api_objects.py`, `pod_objects.py` and
`deployment_objects.py` (its end as an API server would show it), `why.py` (why pods are not Ready in the end),
`closed_form.py` (plain scenarios, computed instead of replayed), `scaling.py` and `scaling_kernel.py` (traces whose
Deployments only scale, replayed by compiled code), `admission_control.py`, `left_out.py` (what concerns a workload and
is not simulated), `most_that_fit.py`, `unmendable.py` (what no action can mend), `node_room.py` (what is left beside
DaemonSets).
"""
