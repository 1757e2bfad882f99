"""Requests from weeks of use: what each rule would have requested, and how that would have gone.

It may import `env.season`, `env.usage`, `agents` and `runner.evaluation.intervals`. Reading order: `windows.py` (a
series as peaks of six hours), `proposers.py` and `learned.py` (what each rule, and a policy of Season-v0, requests for
a week, given the weeks before), `walk.py` (every week tested with the weeks before it, and whose request is proposed),
`tested.py` (of all containers of which the use is known), `texts.py` (in words, as cells and JSON), `picture.py`.
"""
