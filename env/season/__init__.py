"""Season: requests for a Deployment whose use varies over weeks, and is known only after each window of six hours.

It may import `env.problems.philox`, the seam `env.cluster`, and the words of env. To be read in this order:

variants.py    what is asked for, its steps and prices
laws.py        what use follows, drawn from a seed
series.py      peaks, window by window
window.py      what one window does and costs
tails.py       what is rare, of all windows that are known
history.py     what is known before a decision
features.py    what an agent sees of it
kernel.py      all of it in one compiled loop
scene.py       a season as a picture
season_env.py, vector_env.py
               one environment and many
joined.py      many of several kinds
policy.py      a policy played on series
forms.py, baselines.py
               rules beside agents
real.py        series that were measured
truth.py       what the law says of what comes: agents that forecast learn from it
decision.py    what each action costs by a forecast
replay.py      one window on a cluster
bounds/        what an episode costs at the least
"""
