"""What one replay may cost. A trace is not trusted: a few hundred bytes of it can ask for hours of work.

Follows no Kubernetes source.
"""

from __future__ import annotations

from env.errors import ClusterError
from env.interrupt import stop_if_asked

MOST_LOOKS = 600_000_000
_ASK_EVERY = 1_000_000  # looks, about a tenth of a second


class ReplayBudget:
    """Adds up what is looked at, so that the same replay is given up at the same point on every machine.

    The unit is one look at a pod or a node from compiled or built-in code, about 0.1 microseconds.

    Attributes:
        spent: Looks so far.
    """

    def __init__(self) -> None:
        self.spent = 0
        self._ask_at = _ASK_EVERY

    def spend(self, looks: int) -> None:
        """Count work that is about to be done, or just was.

        Raises:
            ClusterError: More than MOST_LOOKS were spent, about a minute.
            Stopped: Whoever wants the replay asked for a stop.
        """
        self.spent += looks
        if self.spent >= self._ask_at:
            self._ask_at = self.spent + _ASK_EVERY
            stop_if_asked()
        if self.spent > MOST_LOOKS:
            raise ClusterError(
                "the replay is more work than the embedded cluster takes on: replay fewer pods, nodes or seconds"
            )
