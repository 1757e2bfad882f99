"""The fewest or the cheapest nodes that hold what is there.

It imports the embedded cluster and what that may import. To be read in this order: `offers.py` (the kinds of nodes that
may be had), `prices.py` (what they cost), `demand.py` (what has to be placed, in numbers), `linear.py` and `bound.py`
(what it costs at least), `packing.py` (where a search starts), `arrivals.py` (in which order pods come), `trial.py`
(whether the engine places everything), `search.py` (the cheapest nodes found), `budgets.py` (what may be evicted),
`moves.py` (the way to the plan's nodes), `running.py` and `autoscalers.py` (what autoscalers come to), `planner.py`
(all of it).
"""
