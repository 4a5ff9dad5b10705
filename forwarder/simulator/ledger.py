"""What the stand-in has accepted, and what has arrived: the truth a test compares with."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec


@dataclass(slots=True)
class Request:
    """One request that arrived; ``status`` stays None if it was reset, left hanging or given up."""

    at: float
    user: str
    events: int
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The events of one accepted POST, and the request that brought them."""

    user: str
    events: tuple[msgspec.Raw, ...]
    request: Request | None = None


class Ledger:
    """Every accepted event, byte for byte, in order of acceptance. Grows without bound.

    Attributes:
        accepted: every accepted POST, in order.
        requests: every request in order of arrival, as long as ``keep_requests`` is true.
        arrived: how many requests there were.
        posts: how many requests were answered with each status.
        accepted_events: how many events were accepted, repetitions included.
    """

    def __init__(self, *, keep_requests: bool = True) -> None:
        self.keep_requests = keep_requests
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.requests: list[Request] = []
        self.arrived = 0
        self.posts: Counter[int] = Counter()
        self.accepted_events = 0
        self.accepted: list[Accepted] = []
        self._by_user: dict[str, list[Accepted]] = {}

    @property
    def accepted_posts(self) -> int:
        """How many POSTs were accepted, whether or not the answer got through."""
        return len(self.accepted)

    def users(self) -> list[str]:
        """Return who had events accepted, in order of the first."""
        return list(self._by_user)

    def events(self, user: str) -> list[bytes]:
        """Return this user's accepted events as they came, in order of acceptance."""
        return [bytes(event) for post in self._by_user.get(user, ()) for event in post.events]

    def arrive(self, request: Request) -> None:
        """Note a request, before anything is decided about it."""
        self.arrived += 1
        if self.keep_requests:
            self.requests.append(request)

    def accept(self, user: str, events: tuple[msgspec.Raw, ...], request: Request | None = None) -> None:
        """Register the events of one POST, all of them."""
        post = Accepted(user, events, request)
        self.accepted.append(post)
        self._by_user.setdefault(user, []).append(post)
        self.accepted_events += len(events)

    def answer(self, request: Request, status: int) -> None:
        """Note what a request is being answered with."""
        request.status = status
        self.posts[status] += 1

    def lines(self) -> Iterator[bytes]:
        """Yield NDJSON, one line per event accepted so far; ``post`` counts accepted POSTs from 1."""
        accepted = self.accepted
        for number in range(len(accepted)):
            post = accepted[number]
            for event in post.events:
                line = {"user": post.user, "post": number + 1, "event": event}
                # In JSON a line break is always white space between tokens, never part of a value.
                yield msgspec.json.encode(line).translate(_ONE_LINE) + b"\n"

    def summary(self) -> dict[str, int | dict[str, int]]:
        """Return the totals, ready for JSON."""
        return {
            "posts": {str(status): count for status, count in sorted(self.posts.items())},
            "accepted_posts": self.accepted_posts,
            "accepted_events": self.accepted_events,
            "users": len(self._by_user),
            "requests": self.arrived,
        }


_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
