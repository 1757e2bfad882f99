"""Tools for language models: a cluster or a replay to look at, and the gym to play, by MCP or in this process.

It may import env, what agents say of conversations and prompts, and how an episode stands; the package `mcp` only where
a server runs. To be read in this order:

answers.py      what tools return
pod_status.py, look.py
                objects of an API server -> answers
text.py         answers as text
tools.py        what a tool is, and a call of one
look_tools.py   the five tools that look at a cluster
toolbox.py      the same for an agent in this process
play.py         the gym as tools
server.py       tools offered by MCP
stdio.py, http.py
                how clients reach the server
"""
