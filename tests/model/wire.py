"""Runs many schedules at once over one connection: each round sends the next commands of all of them together.

The commands come from the real classes of :mod:`forwarder.queue`. Their client is :class:`Wire`, which gives each
command to the one who drives the coroutine by hand, and returns what that one sends back.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from hashlib import sha1
from itertools import islice
from typing import Any, TypeVar

import redis as blocking

from forwarder.queue.wire import scripts
from forwarder.queue.wire.exchange import exchange_blocking
from forwarder.queue.wire.replies import Command, Lost, Refusal

T = TypeVar("T")
#: Yields the commands of one round, is sent their replies, and returns a result.
Rounds = Generator[Sequence[Command], list[Any], T]

#: Schedules that run at once. A round sends about 1 kB for each of them.
_AT_ONCE = 100


class RefusedError(Exception):
    """An error reply, or none."""


class _Sent:
    def __init__(self, command: Command) -> None:
        self._command = command

    def __await__(self) -> Generator[Command, Any, Any]:
        reply = yield self._command
        return reply


async def sent(command: Command) -> Any:
    """Sends a command and returns its reply."""
    return await _Sent(command)


class Wire:
    """Stands in for the client of one Redis, as far as the classes need it that run the scripts of a list."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        """`digests`: of the scripts that replace real ones, by the digests of those."""
        self._digests = digests

    async def evalsha(self, digest: str, *rest: str | bytes | int) -> Any:
        return await _Sent(("EVALSHA", self._digests.get(digest, digest), *rest))

    async def get(self, key: str) -> Any:
        return await _Sent(("GET", key))


def loaded(redis: blocking.Redis, names: Iterable[str], broken: Mapping[str, str]) -> Wire:
    """Makes scripts known to a Redis. `broken`: texts that replace the real ones, by the names of the scripts."""
    for name in names:
        redis.script_load(broken.get(name, scripts.source(name)))
    return Wire({scripts.digest(name): sha1(text.encode()).hexdigest() for name, text in broken.items()})


def together(redis: blocking.Redis, runs: Iterable[Rounds[T]]) -> Iterator[T]:
    """Runs them all and returns their results, in the order in which they end."""
    coming = iter(runs)
    going = {run: next(run) for run in islice(coming, _AT_ONCE)}
    while going:
        replies = iter(exchange_blocking(redis, [command for commands in going.values() for command in commands]))
        for run, commands in list(going.items()):
            try:
                going[run] = run.send([next(replies) for _ in commands])
            except StopIteration as end:
                del going[run]
                yield end.value
                going.update((new, next(new)) for new in islice(coming, 1))


def checked(reply: Any) -> Any:
    """The reply itself.

    Raises:
        RefusedError: it is an error.
    """
    if isinstance(reply, Refusal | Lost):
        raise RefusedError(str(reply))
    return reply
