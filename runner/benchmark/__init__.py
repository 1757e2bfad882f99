"""The benchmark of language models: fixed scenarios, attempts at them, and a report that is made of their rows alone.

May import `runner.training`'s files of pictures, `runner.fleet`, `runner.evaluation`, `runner.episode`, `agents` and
`env`. Read `scenarios` first (the list; `hostile` puts text that asks for harm into some), then `rows` (what is known
of an attempt; `lines` reads and writes files of them), `attempt` (how it is played; `players` are the agents beside the
model), `metered` (a model whose requests are written down in a `transcript` and paid from a `budget`), `run` (all
attempts, in `threads`) and `folder` (where everything is kept). `metrics`, `report`, `markdown` and `plots` make the
report. `fleet` has the same of fleets, and `families` lists both environments.
"""
