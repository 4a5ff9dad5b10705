"""One POST's worth of one user's events. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from forwarder.event import Event


@dataclass(slots=True)
class Batch:
    """Events of one user, oldest first.

    While it backs off it may be released: then its events have no bodies, which are read again before its next POST.
    """

    user: str
    events: tuple[Event, ...]
    released: bool = False

    def halves(self) -> tuple["Batch", "Batch"]:
        """The older and the newer half; this one is empty then, so that it keeps nothing in memory."""
        middle = len(self.events) // 2
        older, newer = Batch(self.user, self.events[:middle]), Batch(self.user, self.events[middle:])
        self.events = ()
        return older, newer

    def release(self) -> None:
        """Forgets the bodies."""
        self.events = tuple([Event(event.number, event.stamp, self.user, b"") for event in self.events])
        self.released = True

    def recall(self, events: Sequence[Event]) -> None:
        """The bodies are here again: the very same events."""
        self.events = tuple(events)
        self.released = False
