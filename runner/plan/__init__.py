"""Plans of nodes: what `sim-arena plan` asks and answers.

May import `env`. Reading order: `question.py` (which nodes may be had, and what they cost), `answer.py` (the plan
beside what there is now), `texts.py` (in words, as JSON and Markdown). The decisions themselves are in `env/plan`.
"""
