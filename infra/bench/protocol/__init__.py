"""`sim-arena bench protocol`: what federations cost, and how that grows."""
