"""FedProx (Li et al., Federated Optimization in Heterogeneous Networks, MLSys 2020, arXiv 1812.06127, algorithm 2).

What differs from FedAvg is done by the members: their loss has the term mu/2 |w - w_round|², the pull of the agent's
setting `proximal` (mu, in `table`) towards the weights that the round started from. The server takes FedAvg's mean.
"""

from __future__ import annotations

from protocol.strategies.fedavg import Combined

__all__ = ["Combined"]
