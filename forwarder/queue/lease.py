"""One acquisition of one list. Only the holder of the lease may change what is claimed."""

import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from forwarder.errors import LeaseLostError, RolledBackError
from forwarder.queue.keys import Keys
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import text, translated
from forwarder.queue.wire.exchange import exchange
from forwarder.queue.wire.replies import wrong_type

#: This many tokens are remembered. Workers ask once a second, so an older token was drawn more than 30 s ago. The lease
#: that it may have acquired is over, or nearly.
_MOST_UNANSWERED = 32


@dataclass(frozen=True, slots=True)
class Position:
    """Where a list stood when its lease was acquired.

    Attributes:
        sequence: how many events were ever claimed; the next one gets this number plus one.
        settlement: the number of the last settlement.
        claimed: how many events are claimed: the new owner adopts them.
    """

    sequence: int
    settlement: int
    claimed: int


class Lease:
    """One acquisition of one list, under one token, which is never used again.

    Every script that is fenced by the lease runs through :meth:`run`. Every method may be called again
    after :exc:`UnreachableError`.

    Args:
        redis: the client.
        keys: of the list.
        ttl: seconds that the lease lasts after each command that extends it.
        owner: the token starts with it; the worker's ID.
        over: if the current token starts with this prefix, the lease may be taken from its holder.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        ttl: float,
        owner: str = "",
        over: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.redis = redis
        self.keys = keys
        self._owner = owner
        self.token = self._draw()
        #: Tokens of calls of :meth:`acquire` that got no reply. One of them may hold the lease.
        self._unanswered: deque[str] = deque(maxlen=_MOST_UNANSWERED)
        #: The earliest time at which the lease ends, on `clock`: counted from before the command that set it was sent.
        self.end = 0.0
        #: Where the list stood at the last acquisition.
        self.start = Position(0, 0, 0)
        self._ttl = ttl
        self._over = over
        self._clock = clock

    async def run(self, script: str, keys: Sequence[str], *arguments: str | bytes | int) -> list[object]:
        """Runs a script that checks the lease, and that extends it when it succeeds.

        Raises:
            LeaseLostError: the lease is no longer held; the script changed nothing.
            RolledBackError: Redis has lost data that it had acknowledged; the script changed nothing.
            UnreachableError: no answer; the script may or may not have run.
        """
        sent = self._clock()
        held = (self.token, int(self._ttl * 1000))
        reply: list[object] = await scripts.run(self.redis, script, keys, [*held, *arguments])
        match reply[0]:
            case b"lost":
                self.end = 0.0
                raise LeaseLostError("another worker may hold the lease")
            case b"rolled_back":
                raise RolledBackError("Redis has lost data that it had acknowledged: adopting the claimed events again")
            case b"busy" | b"wrongtype":
                pass
            case _:
                self.end = max(self.end, sent + self._ttl)
        return reply

    async def acquire(self) -> Position | None:
        """Takes the lease if it is free; None while another worker holds it.

        Raises:
            WrongTypeError: a key of the list holds another type.
            UnreachableError: no answer. The lease may have been acquired: try again with this same object.
        """
        # A command without an answer may still be executed, at any time. With the token of a later call it could give
        # back a lease that was lost in the meantime, to an owner who does not know what the next one has done.
        if self._unanswered:
            self.token = self._draw()
        before = tuple(self._unanswered)
        self._unanswered.append(self.token)
        reply = await self.run("acquire", self.keys.of_the_list, self._over, *before)
        self._unanswered.clear()
        match reply:
            case [b"wrongtype", *what]:
                raise wrong_type(what)
            case [b"acquired", int(sequence), int(settlement), int(claimed)]:
                self.start = Position(sequence, settlement, claimed)
                return self.start
        return None

    def _draw(self) -> str:
        return f"{self._owner}-{secrets.token_hex(16)}"

    async def renew(self) -> None:
        """Extends the lease.

        Raises:
            LeaseLostError: it is no longer held.
            UnreachableError: no answer.
        """
        await self.run("renew", [self.keys.lease])

    async def release(self) -> None:
        """Gives the lease back at once. Does nothing if it is not held.

        Raises:
            UnreachableError: no answer. The lease may still be held.
        """
        for token in dict.fromkeys((self.token, *self._unanswered)):
            await scripts.run(self.redis, "release", [self.keys.lease], [token])
        self.end = 0.0


async def holder(redis: Redis, keys: Keys) -> tuple[str, float] | None:
    """The token that holds a list's lease, and for how many more seconds."""
    token = await text(redis, keys.lease)
    with translated():
        milliseconds = await redis.pttl(keys.lease)
    return None if token is None else (token.decode(errors="replace"), max(0, milliseconds) / 1000)


async def held(redis: Redis, lists: Sequence[Keys]) -> list[bool]:
    """Whether somebody holds the lease of each of these lists. All are looked at in one round trip.

    A list counts as free if Redis gives no answer about it, or if its lease would never end. Acquiring it settles that.
    """
    replies = await exchange(redis, [("PTTL", keys.lease) for keys in lists])
    return [isinstance(reply, int) and reply > 0 for reply in replies]
