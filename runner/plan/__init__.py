"""Plans of nodes: what `sim-arena plan` asks and answers.

May import `env`, and `runner/suggest` for requests and patches. Reading order: `question.py` (which nodes may be had,
and what they cost), `requests.py` (requests that are enough for what is used), `answer.py` (the plan beside what there
is now), `texts.py` (in words, as JSON and Markdown). The decisions themselves are in `env/plan`.
"""
