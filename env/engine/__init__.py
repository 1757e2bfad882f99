"""A Kubernetes control plane in virtual time: scheduler, controllers and kubelets that decide as the real ones do.

manifest.py      checked access to what a manifest holds
labels.py        label selectors and node selector terms
requests.py      what a pod takes of a node's resources
terms.py         what a pod spec says about where its pods may run
pod_template.py  a pod template, read once into what the others need
node.py          nodes, and what their pods use, as arrays
kernel.py        one scheduling cycle after another, compiled
placement.py     what a pod template may run on, whatever is free there
spreading.py     topology spread: constraints as arrays
pod_affinity.py  affinity between pods, and host ports
preemption.py    who has to go for a pod of higher priority
diagnosis.py     FailedScheduling messages
scheduler.py     the queue, and the cycle of a pod through all of the above
pods.py          pods and what becomes of them on a node
replica_set.py, deployment.py, stateful_set.py, daemon_set.py, job.py, cron_job.py
                 a controller each
control_plane.py all of it: apply, delete, advance the clock
outcomes.py      what a control plane decided, in the form of a truth file
"""
