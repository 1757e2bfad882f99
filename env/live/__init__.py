"""A real cluster for a doctor: its API server's objects as the 18 features, and the 15 actions on them.

It may import `env.doctor`, `env.kube`, `env.usage` and the words of `env`. To be read in this order:

faults_seen.py  what a finding is
reading.py      what is read of an API server, and how much at most
pods.py         how a pod is, and what is wrong with its containers
usage.py        what nodes, pods and Deployments use, by the metrics API
logs.py         logs of pods, and what in them tells of names and the network
findings.py     objects -> what is wrong
observe.py      objects -> the features
record.py       objects -> a recording that a simulation starts from
shown.py        what a reading action shows
plan.py         what a writing action would change
write.py        the same, tried, asked for and done
cluster.py      all of it as one doctor's patient
"""
