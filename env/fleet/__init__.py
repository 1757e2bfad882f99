"""Fleet: several services whose use depends on their replicas, all Ready on the fewest nodes.

It may import the engine, `env.problems`, `env.trace` and the words of env. To be read in
this order:

variants.py    what is played, and what an action changes
use.py         what a pod uses at so many replicas, and requests that are enough
draw.py        a problem, drawn from a seed
placement.py   where the scheduler puts it, compiled
trace.py       the same as a trace, for the engine
features.py    what an agent sees of it
kernel.py      all of it in one compiled loop
scene.py       a fleet as text and as a picture
fleet_env.py, vector_env.py
               one environment and many
search.py      hill climbing and annealing over configurations
rules.py       VPA, and how large pods should be
planner.py     identify what services use, then plan
bound.py, exact.py
               the fewest nodes that there can be
kept.py        what took long to find, on disk
"""
