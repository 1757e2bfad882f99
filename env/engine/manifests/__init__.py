"""What manifests ask for, checked as the API server checks it.

It imports nothing else of the engine. To be read in this order:

fields.py        checked access to a manifest
labels.py        label selectors and node selector terms
resource_names.py
                 resources besides CPU and memory
requests.py      what a pod takes of a node's resources
edited_container.py
                 which container an edit changes
qos.py           the QoS class of a pod
host_ports.py, priorities.py
                 ports of the node, and priority classes
terms.py         what a pod spec says about where its pods may run
pod_schema.py    the types and defaults of a pod template, as data
normal_form.py   pod templates of one meaning made equal
not_modelled.py  what a pod asks for and the engine does not know
pod_template.py  a pod template, read once into what the others need
resource_list.py, limit_range.py, resource_quota.py
                 what admission adds up, gives and refuses
strategy.py, lasting.py, deployment.py, replicated.py, jobs.py
                 what the objects of each kind ask for
container_log.py what a simulated container has written to its log
objects.py       manifests of all kinds, read
"""
