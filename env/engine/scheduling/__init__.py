"""kube-scheduler: which node each pod gets.

It imports the manifests, pods, events and budget of the engine. To be read in this order:

kernel.py         the cycle, compiled: filter, score, bind
nodes.py          nodes, and what their pods use, as arrays
placement.py      which nodes a template may use, apart from free resources
spreading.py      topology spread constraints as arrays
pod_affinity.py   affinity between pods, and host ports
cluster_shape.py  what is fixed about a cluster's nodes, shared by replays
bound_pods.py     the pods that hold nodes
queue.py          in which order pods are tried, and when again
diagnosis.py      why no node takes a pod
cycles.py         what a pod's cycle looks at now
runs.py           equal pods, as arrays for one compiled call
preemption.py     which pods go for one of higher priority
scheduler.py      all of it
"""
