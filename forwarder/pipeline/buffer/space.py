"""How much room the claimed events of one list take up in memory, and how much is free. Pure.

Events that are claimed, adopted, or read back for a user who has spilled events share the room. Beside it is a reserve
for the batches that were released and are POSTed again. `pipeline/admission.py` says why that is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from forwarder.event import Event

#: A request is granted as soon as 1/50 of the room is free, or all that it needs: a claim of fewer events is not worth
#: a round trip. With the defaults: 2,000 events and 2.6 MiB.
_WORTH = 50
#: No more is claimed while this many users of all lists back off: each takes 13 kB, however little it holds.
MOST_BACKING_OFF = 10_000
#: At most 20 buffers' worth of events may be claimed, spilled ones included. With the default that is two million,
#: whose IDs are 40 MB: one user may fail for hours with a million events while the others are served.
_CLAIMED_BUFFERS = 20
#: The reserve is one eighth of the room: 16 MiB with the defaults, so 33 of the largest bodies. If more users recover
#: at once, their batches take turns. The reserve is not part of the room: with an eighth less room for claims, a
#: backlog of unequal users costs a tenth more POSTs.
_RESERVE = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """What one list may hold in memory, and what one POST may hold.

    Attributes:
        linger: seconds that a group which is not full waits for more events.
        backing_off: no more is claimed while this many users back off.
        fill_first: whether groups that are not full wait while claims fill the buffer. Not with a rate limit: a POST
            that the limit allows and nobody sends is lost.
    """

    events: int
    bytes: int
    events_per_post: int
    body_bytes: int
    linger: float
    backing_off: int = MOST_BACKING_OFF
    fill_first: bool = False


class Room(NamedTuple):
    """A number of events, and of bytes that they take up."""

    events: int
    bytes: int


class Space:
    """Counts what one list holds in memory, and what was granted and is not here yet."""

    def __init__(self, limits: Limits) -> None:
        self.bound(limits)
        #: Events in memory, those in flight included, and the bytes that they take up.
        self.events = self.bytes = 0
        #: Events of which only the IDs are in memory.
        self.spilled = 0
        #: Users whose batches are retried.
        self.backing_off = 0
        self._granted = self._lent = Room(0, 0)

    def bound(self, limits: Limits) -> None:
        """From now on these limits apply. What exceeds them stays until it is decided."""
        self._claimed = _CLAIMED_BUFFERS * limits.events
        self._most_backing_off = limits.backing_off
        #: All that may be here, besides the reserve.
        self.most = Room(limits.events, limits.bytes)
        self._worth = Room(max(1, limits.events // _WORTH), max(1, limits.bytes // _WORTH))
        self._reserve = Room(limits.events // _RESERVE, limits.bytes // _RESERVE)

    def hold(self, events: Sequence[Event]) -> int:
        """These events, all of one user, are in memory now. Returns the bytes of their bodies."""
        size = _bodies(events)
        self.events += len(events)
        self.bytes += size + _mentions(events)
        return size

    def free(self, events: Sequence[Event]) -> int:
        """These events, all of one user, are decided, or only their IDs stay. Returns the bytes of their bodies."""
        size = _bodies(events)
        self.events -= len(events)
        self.bytes -= size + _mentions(events)
        return size

    @property
    def room(self) -> Room:
        """What is free and was not granted."""
        events, size = self._granted
        return Room(max(0, self.most.events - self.events - events), max(0, self.most.bytes - self.bytes - size))

    @property
    def nearly_full(self) -> bool:
        """Whether claims can bring little more now: nine tenths are taken, or claiming is paused.

        What was granted does not count, since a claim may be granted all that is free, and then bring it.
        """
        most = self.most
        return 10 * self.events >= 9 * most.events or 10 * self.bytes >= 9 * most.bytes or self.overdrawn

    @property
    def is_filled_by_claims(self) -> bool:
        """Whether most of what is claimed stays in memory.

        Spilled events do not. Example: nine of ten waiting events are of one user whose POSTs fail. It takes claims ten
        times as long to fill the buffer, and the other users must not wait for that.
        """
        return self.spilled <= self.events

    @property
    def claimable(self) -> int:
        """How many more events may be claimed, those included that are spilled as soon as they come."""
        return self._claimed - self.spilled - self.events

    @property
    def overdrawn(self) -> bool:
        """Whether nothing may be claimed because too many events, or too many users, are being retried."""
        return self.claimable < self._worth.events or self.backing_off >= self._most_backing_off

    def grant(self, need: Room) -> Room | None:
        """Room for these events or for some of them; None if that is not worth it now. It is taken until given back."""
        room = self.room
        if room.events < min(need.events, self._worth.events) or room.bytes < min(need.bytes, self._worth.bytes):
            return None
        granted = Room(min(need.events, room.events), min(need.bytes, room.bytes))
        self._granted = Room(self._granted.events + granted.events, self._granted.bytes + granted.bytes)
        return granted

    def give_back(self, room: Room) -> None:
        """What was granted is here and counted, or will not come."""
        self._granted = Room(self._granted.events - room.events, self._granted.bytes - room.bytes)

    def lend(self, need: Room) -> Room | None:
        """Room in the reserve for all of this; None if it must wait. What is larger than the reserve goes alone."""
        events, size = self._lent.events + need.events, self._lent.bytes + need.bytes
        if self._lent.events and (events > self._reserve.events or size > self._reserve.bytes):
            return None
        self._lent = Room(events, size)
        return need

    def repay(self, room: Room) -> None:
        """What was lent is no longer needed."""
        self._lent = Room(self._lent.events - room.events, self._lent.bytes - room.bytes)


def size_of(events: Sequence[Event]) -> int:
    """Bytes that these events, all of one user, take up in memory: their bodies, and a copy of the user for each."""
    return _bodies(events) + _mentions(events)


def _bodies(events: Sequence[Event]) -> int:
    return sum([len(event.body) for event in events])


def _mentions(events: Sequence[Event]) -> int:
    return len(events) * mention(events[0].user) if events else 0


def mention(user: str) -> int:
    """Bytes that a user's ID takes up."""
    # An ID may be as long as an element. One character beyond ASCII can make each of the others take four bytes.
    return len(user) if user.isascii() else 4 * len(user)
