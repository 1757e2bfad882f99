"""`sim-arena simulate`: the whole protocol in virtual time, under every fault, with its invariants checked."""
