"""What an episode of a season costs at the least, for ones who know more or less beforehand.

It may import what is beside it, `env.season`'s laws, series and windows, and the words of env; the environments don't
import it. To be read in this order: `backward.py` (the dynamic programme), `clairvoyant.py` (knows every peak),
`odds.py` and `informed.py` (know the law), `hypotheses.py` (what the law may be), `kalman.py` (what one hypothesis
learns from a window), `filter.py` (what all of them expect of the next one), `inferring.py` (the bound that must
infer), `beliefs.py` (small seasons, on which the bounds can be held against the best that is possible).
"""
