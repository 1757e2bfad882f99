"""The benchmark of language models: fixed scenarios, attempts at them, and a report that is made of their rows alone.

May import `runner.evaluation`, `runner.episode`, `agents` and `env`. Read `scenarios` first (the list; `hostile` puts
text that asks for harm into some).
"""
