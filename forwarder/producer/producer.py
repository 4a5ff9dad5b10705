"""Pushes events from a backend service: each once, or with an error that says what is known.

::

    async with Producer("redis://127.0.0.1:6379/0") as producer:
        await producer.push("u-1", "purchase", vars={"cds": 2})
        await producer.push_many([{"user_id": "u-1", "name": "visit"}, {"user_id": "u-2", "name": "visit"}])

:class:`SyncProducer` is the same without ``async`` and ``await``. Nothing is ever sent twice. If a push got no reply,
repeating it may double its events, so that decision is left to the caller.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Self

from forwarder.errors import ConfigurationError
from forwarder.producer.channels import BlockingChannel, Channels
from forwarder.producer.encoding import checked
from forwarder.producer.push import Push
from forwarder.producer.target import Durability, Target
from forwarder.queue.keys import Side
from forwarder.queue.wire import url as redis_url
from forwarder.queue.wire.connection import ANSWER_TIMEOUT
from forwarder.queue.wire.exchange import exchange, exchange_blocking
from forwarder.queue.wire.replies import Command, Reply

#: Seconds after which a producer asks again how many lists the queue has. Each second of this may put the events of a
#: second into lists that nobody drains, if somebody changes the number while producers run; a question costs Redis
#: about as much as one more push.
_ASKED_EVERY = 1.0

_Steps = Generator[list[Command], list[Reply], None]


class _Pushes:
    """What pushes need besides sending: the checks, the round trips, and what their replies mean."""

    def __init__(
        self, url: str, target: Target, max_event_bytes: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises ConfigurationError for an argument that cannot work."""
        problems = [*_problems(url, max_event_bytes), *target.problems()]
        if problems:
            raise ConfigurationError(problems)
        self._target = target
        self._max_event_bytes = max_event_bytes
        self._clock = clock
        self._asked = 0.0
        #: Whether the latest answer was that events can be pushed here.
        self._agreed = False
        self.closed = False
        #: Seconds after which a reply counts as lost. Redis may wait for replicas before it replies.
        self.answer_timeout = ANSWER_TIMEOUT + target.durability.within

    def steps(self, events: Sequence[Mapping[str, object] | bytes]) -> _Steps:
        """The round trips of one push: yields commands, is sent their replies, and raises what went wrong.

        What can be refused before anything is sent is refused at once.
        """
        self._refuse_if_closed()
        return self._steps(
            Push(checked(events, now=datetime.now(UTC), max_bytes=self._max_event_bytes), self._target.shards)
        )

    def _refuse_if_closed(self) -> None:
        if self.closed:
            raise RuntimeError("the producer is closed")

    def _steps(self, push: Push) -> _Steps:
        self._refuse_if_closed()  # it may have been, while this push waited for its turn
        if not self._agreed or self._clock() - self._asked >= _ASKED_EVERY:
            yield from self._ask(push)
        for portions in push.rounds():
            if self.closed:
                push.refuse("the producer was closed")
                break
            replies = yield self._target.commands([(portion.shard, portion.elements) for portion in portions])
            push.record(portions, *self._target.fates([len(portion.events) for portion in portions], replies))
        push.finish()

    def _ask(self, push: Push) -> _Steps:
        """Asks whether events can be pushed here, and refuses the push if not.

        Only the first question must be answered. In a cluster, the node of the key that is asked for may be down while
        those of the lists are not.
        """
        self._asked = self._clock()
        replies = yield self._target.questions(first=not self._agreed)
        try:
            objection = self._target.objection(replies)
        except ConfigurationError:
            self._agreed = False
            raise
        self._agreed |= objection is None
        if objection is not None and not self._agreed:
            push.refuse(objection)


class Producer:
    """Pushes events, in asyncio. It connects at the first push. Make one producer and use it everywhere.

    - Order: concurrent pushes may overtake each other. To keep the order of a user's events, await one push before
      the next, or push them together.
    - Cancellation: if a task is cancelled during a push, for example by a timeout, nobody knows whether its events
      were pushed. The connection is closed and not used again.
    - Event loops: one producer works in any number of loops, one after the other or at once, as with several
      ``asyncio.run``, tasks of Celery or ``async_to_sync``. Each loop has its own connections. They are closed when
      ``asyncio.run`` ends. A child process may use it too, in a loop of its own.
    - Closing: ``async with``, or :meth:`aclose`, while no push is running. A producer that is forgotten instead closes
      its connections when the loop runs next.
    """

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
        """Says where to push and on what conditions. It does not connect yet.

        Args:
            url: Redis, as for the workers: ``redis://``, ``rediss://``, ``unix://``, ``redis+sentinel://`` or
                ``redis+cluster://``.
            queue: the name of the list.
            shards: the number of lists; the same as for the workers.
            consume_from: where the workers take the oldest event; with ``left``, events are pushed at the right.
            max_event_bytes: the longest element that the workers take.
            max_waiting: how many events may wait in one list; None means no limit. A script keeps the limit exactly.
            durability: where an event must be before its push counts as done; None means in the memory of Redis.

        Raises:
            ConfigurationError: an argument cannot work.
        """
        target = Target(queue, shards, consume_from, max_waiting, durability or Durability())
        self._pushes = _Pushes(url, target, max_event_bytes)
        self._channels = Channels(url, self._pushes.answer_timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def push(
        self, /, user_id: str | int, name: str, date: datetime | str | None = None, **members: object
    ) -> None:
        """Pushes one event. Without a date, it gets the present moment. Raises what :meth:`push_many` raises."""
        await self._run([{"user_id": user_id, "name": name, "date": date, **members}])

    async def push_many(self, events: Iterable[Mapping[str, object] | bytes]) -> None:
        """Pushes events in as few round trips as possible. The events of each user are pushed in this order.

        Args:
            events: mappings with the members of an event, or JSON objects as bytes, which are pushed as they are.
                A mapping without a date gets the present moment.

        Raises:
            InvalidEventError: at least one is not an event. Nothing was pushed.
            NotPushedError: Redis was not reached, refused, or is full, or too many events wait.
            MaybePushedError: there was no reply.
            NotDurableError: the events were pushed, but may not be as durable as requested.
            ConfigurationError: this producer can never push here. Nothing was pushed.
        """
        await self._run(list(events))

    async def aclose(self) -> None:
        """Closes the connections; a push afterwards raises :class:`RuntimeError`."""
        self._pushes.closed = True
        await self._channels.aclose()

    async def _run(self, events: Sequence[Mapping[str, object] | bytes]) -> None:
        steps = self._pushes.steps(events)
        channel = await self._channels.here()
        async with channel.slots:
            with suppress(StopIteration):
                commands = next(steps)
                while True:
                    commands = steps.send(await exchange(channel.redis, commands))


class SyncProducer:
    """Pushes events without asyncio. Any number of threads may share one producer.

    - Order, and interruption (here by a signal, such as Ctrl-C): as with :class:`Producer`.
    - Fork: a child process opens its own connections automatically.
    - Closing: ``with``, or :meth:`close`, while no push is running.
    """

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
        """Takes the same arguments as :class:`Producer`, and raises the same."""
        target = Target(queue, shards, consume_from, max_waiting, durability or Durability())
        self._pushes = _Pushes(url, target, max_event_bytes)
        self._channel = BlockingChannel(url, self._pushes.answer_timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def push(self, /, user_id: str | int, name: str, date: datetime | str | None = None, **members: object) -> None:
        """Pushes one event. Without a date, it gets the present moment. Raises what :meth:`push_many` raises."""
        self._run([{"user_id": user_id, "name": name, "date": date, **members}])

    def push_many(self, events: Iterable[Mapping[str, object] | bytes]) -> None:
        """Pushes events as :meth:`Producer.push_many` does, and raises the same."""
        self._run(list(events))

    def close(self) -> None:
        """Closes the connections; a push afterwards raises :class:`RuntimeError`."""
        self._pushes.closed = True
        self._channel.close()

    def _run(self, events: Sequence[Mapping[str, object] | bytes]) -> None:
        steps = self._pushes.steps(events)
        channel = self._channel = self._channel.here()
        with channel.slots, suppress(StopIteration):
            commands = next(steps)
            while True:
                commands = steps.send(exchange_blocking(channel.redis, commands))


def _problems(url: str, max_event_bytes: int) -> Iterator[str]:
    try:
        redis_url.check(url)
    except ValueError as error:
        yield f"url: {error}; example: {redis_url.EXAMPLE}"
    if max_event_bytes < 1:
        yield "max_event_bytes: must be at least 1"
