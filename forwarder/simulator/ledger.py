"""What the stand-in has accepted, and what has arrived: the truth that a test compares with."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec


@dataclass(slots=True)
class Request:
    """One request that arrived at ``at`` and was answered at ``answered``, in seconds of the stand-in's clock.

    ``status`` and ``answered`` stay None if it was reset, left hanging, or cancelled by the client.
    """

    at: float
    user: str
    events: int
    status: int | None = None
    answered: float | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The events of one accepted POST, and the request that brought them."""

    user: str
    events: tuple[msgspec.Raw, ...]
    request: Request | None = None


class Ledger:
    """Every accepted event, byte for byte, in the order of acceptance. It grows without bound.

    Attributes:
        accepted: every accepted POST, in order.
        requests: every request in the order of arrival, if ``keep_requests`` is true.
        arrived: number of requests.
        posts: number of requests that were answered with each status.
        accepted_events: number of accepted events, repetitions included.
    """

    def __init__(self, *, keep_requests: bool = True) -> None:
        self.keep_requests = keep_requests
        self.clear()

    def clear(self) -> None:
        self.requests: list[Request] = []
        self.arrived = 0
        self.posts: Counter[int] = Counter()
        self.accepted_events = 0
        self.accepted: list[Accepted] = []
        self._by_user: dict[str, list[Accepted]] = {}

    @property
    def accepted_posts(self) -> int:
        """Number of accepted POSTs, whether or not the answer got through."""
        return len(self.accepted)

    def users(self) -> list[str]:
        """The users with accepted events, in the order of their first one."""
        return list(self._by_user)

    def events(self, user: str) -> list[bytes]:
        """The user's accepted events, byte for byte, in the order of acceptance."""
        return [bytes(event) for post in self._by_user.get(user, ()) for event in post.events]

    def arrive(self, request: Request) -> None:
        """Records a request, before anything is decided about it."""
        self.arrived += 1
        if self.keep_requests:
            self.requests.append(request)

    def accept(self, user: str, events: tuple[msgspec.Raw, ...], request: Request | None = None) -> None:
        """Registers all events of one POST."""
        post = Accepted(user, events, request)
        self.accepted.append(post)
        self._by_user.setdefault(user, []).append(post)
        self.accepted_events += len(events)

    def answer(self, request: Request, status: int, at: float) -> None:
        """Records the status that a request is answered with, and when."""
        request.status = status
        request.answered = at
        self.posts[status] += 1

    def lines(self) -> Iterator[bytes]:
        """Yields NDJSON, one line per event accepted so far; ``post`` counts accepted POSTs from 1."""
        accepted = self.accepted
        for number in range(len(accepted)):
            post = accepted[number]
            for event in post.events:
                line = {"user": post.user, "post": number + 1, "event": event}
                # In JSON, a line break is always white space between tokens, never part of a value.
                yield msgspec.json.encode(line).translate(_ONE_LINE) + b"\n"

    def summary(self) -> dict[str, int | dict[str, int]]:
        """The totals, ready for JSON."""
        return {
            "posts": {str(status): count for status, count in sorted(self.posts.items())},
            "accepted_posts": self.accepted_posts,
            "accepted_events": self.accepted_events,
            "users": len(self._by_user),
            "requests": self.arrived,
        }


_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
