"""Language models by provider: one file each, the only one that imports its SDK. `table` is the list of them.

Imports of ours: `agents.llm.conversation`, `agents.llm.model` and `env.errors`. SDKs and their HTTP client are imported
when a model is made, as that takes seconds. Read `endpoint` (the URL and the key, from environment variables), `http`
(one bounded exchange), `failures` (what an answer that is no reply means), then a provider: `anthropic`, `gemini`,
`openai`.
"""
