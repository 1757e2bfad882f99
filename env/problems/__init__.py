"""What is to be solved: a trace, the workload to mend in it, and how many of its pods should be ready.

It imports traces and the engine's manifests. To be read in this order: `nodes.py` (the nodes of a problem),
`node_text.py` (nodes as people write them), `instance_types.py` and `node_manifests.py` (what these may name),
`scenario.py` (a problem, from any trace), `virtual_nodes.py` (its nodes as the engine has them),
`philox.py` (random numbers as a function), `draw.py` (the kinds of generated problems, as one list, and their numbers),
`generate.py` (the numbers as scenarios and traces).
"""
