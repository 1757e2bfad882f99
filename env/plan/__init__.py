"""The fewest or the cheapest nodes that hold what is there.

It imports the embedded cluster and what that may import. To be read in this order:

offers.py       the kinds of nodes that may be had
prices.py       what they cost
demand.py       what has to be placed, in numbers
misfits.py      what no kind of node takes
linear.py       covering linear programs
bound.py        what nodes cost at least that hold the demand
exact.py        the same, sharper, where OR-Tools is installed
packing.py      where a search starts
arrivals.py     in which order pods come
trial.py        whether the engine places everything
search.py       the cheapest nodes found
spare.py        a node that a placeholder keeps free
budgets.py      what may be evicted
moves.py        the way to the plan's nodes
running.py      a cluster whose nodes come and go
scale_up.py     nodes for pods that have none, as autoscalers choose them
autoscalers.py  what autoscalers come to
planner.py      all of it
"""
