"""How long a body may be: learnt from what the API answers 413. Pure.

The API documents no limit. Every batch above it costs POSTs: it is refused, halved, and refused again. So each user's
smallest refused body and largest accepted one are remembered, and the next body is as long as the middle of the two.
Example with a limit of 300 kB: 500 kB are refused, 250 kB accepted, 375 kB refused, 312 kB refused, 281 kB accepted,
296 kB accepted. That is near enough, and no further body is refused.

What three different users were refused holds for everybody. After an hour without a 413 the refused size doubles, so a
limit that was raised is found again; if it was not, that costs a few POSTs an hour.
"""

from dataclasses import dataclass

from forwarder.api.evidence import ENOUGH_USERS, mark

#: Seconds without a 413 after which twice the size is tried again.
_PATIENCE = 3600.0
#: The search ends when the accepted and the refused size differ by less than this part: 5 % more POSTs than possible.
_NEAR = 0.05
#: The sizes of at most this many users are remembered, the latest ones. Few are added once the limit is known.
_MOST_USERS = 100
#: A size doubles at most this often, so that it stays a small number.
_DOUBLINGS = 30


@dataclass(slots=True)
class _Bound:
    """Bodies of `accepted` bytes were taken, those of `refused` bytes were not, as of `at`."""

    refused: int
    at: float
    accepted: int = 0

    def forbidden(self, now: float) -> int:
        """No body may be so long now."""
        return self.refused << min(_DOUBLINGS, int((now - self.at) / _PATIENCE))

    def most(self, now: float) -> int:
        """The longest body that is worth a try."""
        forbidden = self.forbidden(now)
        if forbidden - self.accepted <= _NEAR * forbidden:
            return self.accepted
        return (self.accepted + forbidden) // 2


class BodyLimit:
    """The longest body for each user, in bytes. One per process and API address.

    Args:
        most: the configured limit, which is never exceeded.

    Attributes:
        of_all: the longest body for everybody, as of the latest call.
    """

    def __init__(self, most: int) -> None:
        self._most = self.of_all = most
        self._users: dict[int, _Bound] = {}
        self._all: _Bound | None = None

    @property
    def learning(self) -> bool:
        """Whether anything is known, so that accepted bodies say more."""
        return bool(self._users) or self._all is not None

    def most(self, user: str, now: float) -> int:
        """The longest body for this user now. A single event that is longer must be sent all the same."""
        if not self.learning:
            return self._most
        self.of_all = self._most if self._all is None else min(self._most, self._all.most(now))
        own = self._users.get(mark(user))
        return self.of_all if own is None else min(self.of_all, own.most(now))

    def refused(self, user: str, size: int, now: float) -> None:
        """A body was answered 413."""
        before = self._users.pop(mark(user), None)
        smallest = size if before is None else min(size, before.refused)
        accepted = 0 if before is None or before.accepted >= smallest else before.accepted
        self._users[mark(user)] = _Bound(smallest, now, accepted)
        if len(self._users) > _MOST_USERS:
            del self._users[next(iter(self._users))]
        self._conclude(now)

    def _conclude(self, now: float) -> None:
        """What three users agree on is forbidden to all: the third smallest size, so no two users can lower it."""
        sizes = sorted(bound.forbidden(now) for bound in self._users.values())[:ENOUGH_USERS]
        if len(sizes) < ENOUGH_USERS or (self._all is not None and sizes[-1] >= self._all.forbidden(now)):
            return
        accepted = 0 if self._all is None or self._all.accepted >= sizes[-1] else self._all.accepted
        self._all = _Bound(sizes[-1], now, accepted)

    def accepted(self, user: str, size: int) -> None:
        """A body was answered 202. If one of this size had been refused, the limit is another one by now."""
        own = self._users.get(mark(user))
        if own is not None and size >= own.refused:
            del self._users[mark(user)]
        elif own is not None:
            own.accepted = max(own.accepted, size)
        if self._all is not None and size >= self._all.refused:
            self._all = None
        elif self._all is not None:
            self._all.accepted = max(self._all.accepted, size)
