"""Season: requests for a Deployment whose use varies over weeks, and is known only after each window of six hours.

It may import `env.problems.philox`, the seam `env.cluster`, and the words of env. To be read in this order:
`variants.py` (what is asked for, its steps and prices), `laws.py` (what use follows, drawn from a seed), `series.py`
(peaks, window by window), `window.py` (what one window does and costs).
"""
