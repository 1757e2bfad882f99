"""Where traces are replayed: a file for each backend, with its options and how it is opened.

Read `choice` first: `ClusterChoice` has a line for each backend. Then `embedded`, which has no options, and
`simkube`. A backend is a file and a line. The clusters themselves are in `env`.
"""
