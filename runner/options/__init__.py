"""The options of commands: a dataclass for each idea, flattened into a command's signature.

Read `flatten` first: it makes the options of a command from the dataclasses that it takes. Then `nodes`, `manifests`,
`workload`, `agents`, `epochs`, `doctor`, `season`, `live` (which cluster is read), `usage` (where use is known from),
`real_cluster`, `language_model` and `output`, which several commands take, `benchmark`, and `completion`, which lists
values for a shell. The cluster's options are in `runner.clusters`, next to what they open; the bucket's in
`protocol.commands.options`.

Imports nothing heavy at the top: every `--help` reads these modules.
"""
