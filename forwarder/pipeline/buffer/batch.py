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
    released: bool = False

    def halves(self) -> tuple["Batch", "Batch"]:
        """The older and the newer half. This batch is empty afterwards, so that it keeps nothing in memory."""
        middle = len(self.events) // 2
        older, newer = Batch(self.user, self.events[:middle]), Batch(self.user, self.events[middle:])
        self.events = ()
        return older, newer

    def release(self) -> None:
        self.events = tuple([Event(event.number, event.stamp, self.user, b"") for event in self.events])
        self.released = True

    def recall(self, events: Sequence[Event]) -> None:
        """Ends the release. `events`: the same events as before, with their bodies."""
        self.events = tuple(events)
        self.released = False
