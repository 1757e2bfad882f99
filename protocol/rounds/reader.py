"""Reads what a round's decision and its average depend on. Nothing is decided and nothing is written here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from env.errors import one_line
from protocol.rounds.aggregate import Aggregate, RoundInputs
from protocol.rounds.updates import max_update_bytes, participant_of
from protocol.wire import keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.errors import BadDocument, FederationFailed, Refused, TooLarge
from protocol.wire.federation_documents import Federation, Participant
from protocol.wire.store import Blob

AT_ONCE = 16  # updates that are read side by side, as long as they are small,
AT_ONCE_BYTES = 8 << 20  # that is to say together not larger than this


@dataclass(frozen=True)
class Judged:
    """Members by what their updates are: averaged, or left out with the reason."""

    participants: tuple[Participant, ...]
    unusable: dict[int, str]


class RoundReader:
    """The inputs of one round of a federation."""

    def __init__(self, bucket: Bucket, federation: Federation, round_: int) -> None:
        self.bucket = bucket
        self.federation = federation
        self.group = federation.group
        self.round = round_

    def opened_at(self) -> float:
        """When the round opened, by S3's clock (epoch seconds): when the weights were written that it starts from, in
        round 1 the federation's description. 0 if they are gone, as after a purge."""
        first = self.round == 1
        key = keys.federation(self.group) if first else keys.global_weights(self.group, self.round - 1)
        return next((entry.modified for entry in self.bucket.list(key).entries if entry.key == key), 0.0)

    def before(self) -> RoundInputs:
        """What the round started from."""
        if not self.federation.strategy.keeps_state:
            return RoundInputs()
        if self.round == 1:
            given = self.federation.training.weights
            return RoundInputs(self.bucket.content(keys.weights, given, WEIGHTS_BYTES) if given else None)
        weights, state = (
            self.present(key(self.group, self.round - 1)) for key in (keys.global_weights, keys.server_state)
        )
        return RoundInputs(weights, state)

    def present(self, key: str) -> bytes:
        """The content of an object that must be there. Raises FederationFailed if it is not."""
        body = self.bucket.get(key, WEIGHTS_BYTES)
        if body is None:
            raise FederationFailed(f"{key} is gone; was the group purged while it ran?")
        return body

    def judge(self, members: Collection[int], aggregate: Aggregate) -> Judged:
        """Read each update once: add it to the aggregate, or name it as unusable.

        Raises:
            Refused: the endpoint refuses all of them.
        """
        participants: list[Participant] = []
        unusable: dict[int, str] = {}
        refused = 0
        for member, update in self.updates(sorted(members)):
            try:
                if isinstance(update, Refused):
                    raise update
                participant = participant_of(self.federation, self.round, member, update)
                aggregate.add(update.body, participant.weight)
            except (BadDocument, Refused) as error:
                refused += isinstance(error, Refused) and not isinstance(error, TooLarge)
                unusable[member] = one_line(str(error))
            else:
                participants.append(participant)
        if refused and refused == len(members):
            # Perhaps this closer's own rights: what it cannot see at all it does not decide.
            raise Refused(f"round {self.round}: no update can be read; {next(iter(unusable.values()))}")
        return Judged(tuple(participants), unusable)

    def updates(self, members: Sequence[int]) -> Iterator[tuple[int, Blob | Refused]]:
        """The members' updates, in this order; several are read at once if they are small."""
        at_once = max(1, min(AT_ONCE, AT_ONCE_BYTES // max_update_bytes(self.federation)))
        for start in range(0, len(members), at_once):
            some = members[start : start + at_once]
            found = self.bucket.clock.together([partial(self._update, member) for member in some])
            yield from zip(some, found, strict=True)

    def _update(self, member: int) -> Blob | Refused:
        key = keys.update(self.group, self.round, member)
        try:
            blob = self.bucket.blob(key, max_update_bytes(self.federation))
        except Refused as error:
            return error
        if blob is None:
            raise FederationFailed(f"{key} was listed and is gone; was the group purged while it ran?")
        return blob
