"""A Kubernetes control plane in virtual time: scheduler, controllers and kubelets that decide as those of 1.36 do.

It imports the words beside env's folders (workload, demand, quantity, errors, jit) and nothing else of env. To be read
in this order:

manifests/        what objects ask for, and what the API server would refuse
workload.py       what a controller keeps, and what pods need of their owner
pods.py           pods, and how often their containers are restarted
events.py         events, as the API server shows them
scheduling/       which node each pod gets
names.py          names of pods
timers.py         what falls due on the virtual clock
kubelets.py       what happens to pods on their nodes, and when
admission.py      what becomes of a new pod before it exists
budget.py         what one replay may cost
lots.py           what is chance in a cluster: decided alike, or drawn
api_server.py     what controllers work with: pods, clock, scheduler
controllers/      a controller a kind
control_plane.py  all of it: apply, delete, settle, advance
node_changes.py   nodes that join, leave or are cordoned amid a replay, and evictions
"""
