"""How a round's updates become the global weights: pure arithmetic on vectors.

To read in this order: `table` (the list of strategies, and what the protocol must know of each), `means` (vectors and
their weighted mean), then the strategies: `fedavg`, `fedprox`, `fedadam`, `trimmed_mean`, `median`. Bytes of
updates become vectors, and vectors bytes again, in `protocol.rounds.averaging`.

A strategy is a file with a class `Combined` (see `means.Combination`) and a line in `table`.

Imports numpy and `env.jit`; `table` imports neither, so that commands list the strategies without delay.
"""
