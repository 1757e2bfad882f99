"""What picks an action: learning agents, hand-written policies, language models. They know no clusters.

May import nothing of ours but `env`, and of that the spaces, words such as actions and observations, the errors and the
compiler. Read `agent` (what an agent is), `spaces` (what it is told of an environment), `kinds` (the one list of
agents), `policies` (the hand-written ones), `settings` (how settings are checked), then a folder for each agent that
learns, `tabular`, `dqn` and `ppo`, and `llm` for the one that reads text. `saved` has the files they are kept in,
`load` reads any of them, `default_model` is the trained agent that is shipped.
"""
