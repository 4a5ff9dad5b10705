"""What all lists of a queue added up to at one moment, as it is kept for 15 minutes. Values. Pure."""

from typing import Annotated

import msgspec

# Somebody else may have written an entry. Within these limits its numbers can be computed with.
_Count = Annotated[int, msgspec.Meta(ge=0, lt=10**15)]
_Second = Annotated[float, msgspec.Meta(ge=0, lt=1e12)]


class Totals(msgspec.Struct, frozen=True, array_like=True):
    """The counts of all lists together. A new field goes to the end and needs a default.

    Attributes:
        at: when they were made, in seconds since 1970 by Redis' clock.
    """

    at: _Second
    waiting: _Count
    claimed: _Count
    accepted: _Count
    dead_lettered: _Count
    replayed: _Count
    letters: _Count
    sequence: _Count

    @property
    def backlog(self) -> int:
        """Events that are not decided."""
        return self.waiting + self.claimed

    @property
    def pushed(self) -> int:
        """Events that producers have ever pushed: all that wait or were ever claimed, but those pushed by a replay."""
        return self.waiting + self.sequence - self.replayed

    @property
    def text(self) -> bytes:
        """As it is in Redis."""
        return msgspec.json.encode(self)


def read(text: bytes | str) -> Totals | None:
    """An entry; None if somebody else has written it."""
    try:
        return msgspec.json.decode(text, type=Totals)
    except (msgspec.DecodeError, RecursionError):
        return None
