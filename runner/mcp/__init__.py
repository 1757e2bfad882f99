"""Tools for language models: a cluster or a replay to look at, and the gym to play, by MCP or in this process.

It may import env, agents' words about conversations, and how an episode stands; the package `mcp` only where a server
runs. To be read in this order: `answers.py` (what tools return), `untrusted.py` (text of a cluster), `status.py` and
`look.py` (objects of an API server -> answers), `text.py` (answers as text), `tools.py` (what a tool is, and a call
of one), `look_tools.py` (the five tools), `toolbox.py` (the same for an agent in this process).
"""
