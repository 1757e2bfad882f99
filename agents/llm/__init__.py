"""The agent `llm`: a language model that reads the situation as text, looks at the cluster with tools, and answers.

Imports of ours what `agents` may; a provider's SDK only in its own file. Read `conversation` (what is said between an
agent and a model, in no provider's own form), `model` (what a model is, and how it fails), `situation` (what an agent
that reads is told, and its tools); then `prompt` and `answer` (the texts in and out, pure), `retry` (a request until it
is answered), `talk` (one step's conversation), `decision` (what came of it) and `agent`. `fleet_prompt` and
`fleet_answer` are the texts in and out of fleets. `providers` has the models.
"""
