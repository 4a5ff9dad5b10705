"""One POST's worth of one user's events. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from forwarder.event import Event


@dataclass(slots=True)
class Batch:
    """Events of one user, oldest first.

    A batch that backs off may be released: its events then have no bodies. These are read again before the next POST.
    """

    user: str
    events: tuple[Event, ...]
    #: The newer parts of the same batch, which wait until this one is decided.
    behind: tuple["Batch", ...] = ()
    #: While it is released, the bytes that its events take up in memory otherwise. Zero if it is not released.
    released: int = 0

    def halves(self) -> tuple["Batch", "Batch"]:
        """The older and the newer half. This batch is empty afterwards, so that it keeps nothing in memory."""
        middle = len(self.events) // 2
        newer = Batch(self.user, self.events[middle:], self.behind)
        older = Batch(self.user, self.events[:middle], (newer, *self.behind))
        self.events = ()
        return older, newer

    def release(self, size: int) -> None:
        """Drops the bodies. `size`: the bytes that the events take up."""
        self.events = tuple([Event(event.number, event.stamp, self.user, b"") for event in self.events])
        self.released = size

    def recall(self, events: Sequence[Event]) -> None:
        """Ends the release. `events`: the same events as before, with their bodies."""
        self.events = tuple(events)
        self.released = 0
