"""The benchmark's scenarios of Fleet-v0: services on the fewest nodes, by a language model and by others.

Read `scenarios` (the list, and the best that is known of each), `rows` (what is known of an attempt), `shown` (what a
model looks at), `attempt` (how the model is played), `players` (who plays beside it), then `report`, `markdown` and
`plots`.
"""
