"""Pushing events from a backend service, each once or with an error that says what is known.

::

    async with Producer("redis://127.0.0.1:6379/0") as producer:
        await producer.push("u-1", "purchase", vars={"cds": 2})
        await producer.push_many([{"user_id": "u-1", "name": "visit"}, {"user_id": "u-2", "name": "visit"}])

:class:`SyncProducer` is the same without ``async`` and ``await``. Nothing is ever sent twice: whether a push that
got no reply may be repeated, and so perhaps doubled, is for its caller to decide.
"""

import asyncio
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Self

from forwarder.errors import ConfigurationError
from forwarder.producer.encoding import checked
from forwarder.producer.push import Push
from forwarder.producer.target import Durability, Target
from forwarder.queue.keys import Side
from forwarder.queue.wire import url as redis_url
from forwarder.queue.wire.connection import ANSWER_TIMEOUT, connect, connect_blocking
from forwarder.queue.wire.exchange import exchange, exchange_blocking
from forwarder.queue.wire.replies import Command, Reply

#: Pushes under way at a time, each on a connection of its own; further ones wait for their turn.
_CONNECTIONS = 16

_Steps = Generator[list[Command], list[Reply], None]


class _Pushing:
    """What both producers have in common: everything but sending."""

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379/0",
        *,
        queue: str = "events",
        shards: int = 1,
        consume_from: Side = "left",
        max_event_bytes: int = 65_536,
        max_waiting: int | None = None,
        durability: Durability | None = None,
    ) -> None:
        """Says where to push and on what conditions; connects to nothing yet.

        Args:
            url: Redis, as for the workers: ``redis://``, ``rediss://``, ``unix://`` or ``redis+sentinel://``.
            queue: the name of the list.
            shards: how many lists there are; the number that the workers have.
            consume_from: where the workers take the oldest event; with ``left`` events are pushed at the right.
            max_event_bytes: the longest element that the workers take.
            max_waiting: how many events may wait in a list; None for any number. Exact, by a script.
            durability: where an event must be before its push counts as done; None: in the memory of Redis.

        Raises:
            ConfigurationError: an argument that cannot work.
        """
        durability = durability or Durability()
        self._target = Target(queue, shards, consume_from, max_waiting, durability)
        self._max_event_bytes = max_event_bytes
        problems = [*_problems(url, max_event_bytes), *self._target.problems()]
        if problems:
            raise ConfigurationError(problems)
        self._asked = self._closed = False
        # A reply that waits for replicas must not be taken for a lost one.
        self._open(url, ANSWER_TIMEOUT + durability.within)

    def _open(self, url: str, answer_timeout: float) -> None:
        raise NotImplementedError

    def _steps(self, events: Sequence[Mapping[str, object] | bytes]) -> _Steps:
        """The round trips of one push: yields commands, is sent their replies, and raises what went wrong."""
        if self._closed:
            raise RuntimeError("the producer is closed")
        push = Push(checked(events, now=datetime.now(UTC), max_bytes=self._max_event_bytes), self._target.shards)
        if not self._asked:
            objection = self._target.objection((yield self._target.questions()))
            self._asked = objection is None
            if objection is not None:
                push.refuse(objection)
        for portions in push.rounds():
            replies = yield self._target.commands([(portion.shard, portion.elements) for portion in portions])
            push.record(portions, *self._target.fates([len(portion.events) for portion in portions], replies))
        push.finish()


class Producer(_Pushing):
    """Pushes events, in asyncio. It connects at the first push; make one, and use it for all.

    - Order: concurrent pushes may overtake each other. To keep the order of a user's events, await one push before
      the next, or push them together.
    - Cancellation: a task that is cancelled in the middle of a push, also by a timeout, leaves open whether its events
      were pushed. The connection is closed and not used again.
    - Fork: a producer belongs to one event loop. A child makes its own.
    - Closing: ``async with``, or :meth:`aclose`, when no push is under way.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def push(
        self, /, user_id: str | int, name: str, date: datetime | str | None = None, **members: object
    ) -> None:
        """Pushes one event; without a date it happened now. Raises what :meth:`push_many` raises."""
        await self._run([{"user_id": user_id, "name": name, "date": date, **members}])

    async def push_many(self, events: Iterable[Mapping[str, object] | bytes]) -> None:
        """Pushes events, those of each user in this order, in as few round trips as that takes.

        Args:
            events: mappings with the members of an event, or JSON objects as bytes, which are pushed as they are.
                A mapping without a date gets the present moment.

        Raises:
            InvalidEventError: not all are events; nothing was pushed.
            NotPushedError: Redis was not reached or refused, is full, or too many events wait.
            MaybePushedError: there was no reply.
            NotDurableError: pushed, but not known to be as durable as asked.
            ConfigurationError: this producer can never push here; nothing was pushed.
        """
        await self._run(list(events))

    async def aclose(self) -> None:
        """Closes the connections; a push afterwards raises :class:`RuntimeError`."""
        self._closed = True
        await self._redis.aclose()

    def _open(self, url: str, answer_timeout: float) -> None:
        self._redis = connect(url, answer_timeout=answer_timeout)
        self._slots = asyncio.Semaphore(_CONNECTIONS)

    async def _run(self, events: Sequence[Mapping[str, object] | bytes]) -> None:
        steps = self._steps(events)
        async with self._slots:
            with suppress(StopIteration):
                commands = next(steps)
                while True:
                    commands = steps.send(await exchange(self._redis, commands))


class SyncProducer(_Pushing):
    """Pushes events without asyncio: :class:`Producer` for threads. Any number of them may share one.

    - Order, and being interrupted (here by a signal, such as Ctrl-C): as with :class:`Producer`.
    - Fork: a child makes connections of its own by itself. Fork while no thread pushes.
    - Closing: ``with``, or :meth:`close`, when no push is under way.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def push(self, /, user_id: str | int, name: str, date: datetime | str | None = None, **members: object) -> None:
        """Pushes one event; without a date it happened now. Raises what :meth:`push_many` raises."""
        self._run([{"user_id": user_id, "name": name, "date": date, **members}])

    def push_many(self, events: Iterable[Mapping[str, object] | bytes]) -> None:
        """Pushes events as :meth:`Producer.push_many` does, and raises the same."""
        self._run(list(events))

    def close(self) -> None:
        """Closes the connections; a push afterwards raises :class:`RuntimeError`."""
        self._closed = True
        self._redis.close()

    def _open(self, url: str, answer_timeout: float) -> None:
        self._redis = connect_blocking(url, answer_timeout=answer_timeout)
        self._slots = threading.Semaphore(_CONNECTIONS)

    def _run(self, events: Sequence[Mapping[str, object] | bytes]) -> None:
        steps = self._steps(events)
        with self._slots, suppress(StopIteration):
            commands = next(steps)
            while True:
                commands = steps.send(exchange_blocking(self._redis, commands))


def _problems(url: str, max_event_bytes: int) -> Iterator[str]:
    try:
        redis_url.check(url)
    except ValueError as error:
        yield f"url: {error}"
    if max_event_bytes < 1:
        yield "max_event_bytes: must be at least 1"
