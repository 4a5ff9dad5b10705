"""Pushes events from a backend service: each once, or with an error that says what is known.

::

    async with Producer("redis://127.0.0.1:6379/0") as producer:
        await producer.push("u-1", "purchase", idempotency_key="order-1017-paid")
        await producer.push_many([{"user_id": "u-1", "name": "visit"}, {"user_id": "u-2", "name": "visit"}])

:class:`SyncProducer` is the same without ``async`` and ``await``. When a reply is lost or Redis does not serve, a push
is repeated for five seconds; a marker in Redis keeps it from being executed twice. What is unknown even then is raised
as :exc:`MaybePushedError`. With an idempotency key of your own, the same can be pushed again, even by another process.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Self

from forwarder.errors import ConfigurationError
from forwarder.producer.arguments import outside
from forwarder.producer.channels import BlockingChannel, Channels
from forwarder.producer.idempotency import Keys
from forwarder.producer.pushes import Pushes
from forwarder.producer.target import Durability, Target
from forwarder.queue.keys import Side
from forwarder.queue.wire import url as redis_url
from forwarder.queue.wire.exchange import exchange, exchange_blocking

#: Seconds for which a push is repeated. A Redis that restarts with a small append-only file is back within one second;
#: Sentinels and a cluster fail over within a few.
_RETRY_FOR = 5.0
#: Seconds for which Redis remembers an idempotency key that the caller gave: a day.
_REMEMBER_FOR = 86_400.0

_Events = Iterable[Mapping[str, object] | bytes]


def _event(user_id: str | int, name: str, date: datetime | str | None, members: Mapping[str, object]) -> _Events:
    return [{"user_id": user_id, "name": name, "date": date, **members}]


def _pushes(url: str, target: Target, max_event_bytes: int, retry_for: float, remember_for: float) -> Pushes:
    """Raises ConfigurationError for an argument that cannot work."""
    keys = Keys(retry_for=retry_for, remember_for=remember_for, answer_timeout=target.answer_timeout)
    problems = [*_problems(url, max_event_bytes), *target.problems(), *keys.problems()]
    if problems:
        raise ConfigurationError(problems)
    return Pushes(target, max_event_bytes, keys, retry_for)


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

    def __init__(  # noqa: PLR0913 - keywords, most of which a caller leaves out
        self,
        url: str = "redis://127.0.0.1:6379/0",
        *,
        queue: str = "events",
        shards: int = 1,
        consume_from: Side = "left",
        max_event_bytes: int = 65_536,
        max_waiting: int | None = None,
        durability: Durability | None = None,
        retry_for: float = _RETRY_FOR,
        remember_for: float = _REMEMBER_FOR,
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
            retry_for: seconds for which a push is repeated when its reply is lost or Redis does not serve; 0 means that
                nothing is repeated.
            remember_for: seconds for which Redis remembers an idempotency key that you give.

        Raises:
            ConfigurationError: an argument cannot work.
        """
        target = Target(queue, shards, consume_from, max_waiting, durability or Durability())
        self._pushes = _pushes(url, target, max_event_bytes, retry_for, remember_for)
        self._channels = Channels(url, target.answer_timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def push(
        self,
        /,
        user_id: str | int,
        name: str,
        date: datetime | str | None = None,
        *,
        idempotency_key: str | None = None,
        **members: object,
    ) -> None:
        """Pushes one event. Without a date, it gets the present moment. See :meth:`push_many` for the rest."""
        await self._run(_event(user_id, name, date, members), idempotency_key)

    async def push_many(self, events: _Events, *, idempotency_key: str | None = None) -> None:
        """Pushes events in as few round trips as possible. The events of each user are pushed in this order.

        Args:
            events: mappings with the members of an event, or JSON objects as bytes, which are pushed as they are.
                A mapping without a date gets the present moment.
            idempotency_key: names this push, in 1 to 200 bytes. If the same events are pushed again under the same key,
                by whatever process, only those are pushed that are not in their list yet. Redis remembers the key for
                `remember_for` seconds, for each list by itself.

        Raises:
            InvalidEventError: at least one is not an event. Nothing was pushed.
            NotPushedError: Redis was not reached, refused, or is full, or too many events wait.
            MaybePushedError: there was no reply.
            KeyReusedError: the key was used for other events.
            ValueError: the key is empty or too long. Nothing was pushed.
            NotDurableError: the events were pushed, but may not be as durable as requested.
            ConfigurationError: this producer can never push here. Nothing was pushed.
        """
        await self._run(events, idempotency_key)

    async def aclose(self) -> None:
        """Closes the connections; a push afterwards raises :class:`RuntimeError`."""
        self._pushes.closed = True
        await self._channels.aclose()

    async def _run(self, events: _Events, idempotency_key: str | None) -> None:
        steps = self._pushes.steps(list(events), idempotency_key)
        channel = await self._channels.here()
        replies: Any = None
        with suppress(StopIteration):
            while True:
                async with channel.slots:
                    step = steps.send(replies)
                    while not isinstance(step, float):
                        step = steps.send(await exchange(channel.redis, step))
                await asyncio.sleep(step)
                replies = ()


class SyncProducer:
    """Pushes events without asyncio. Any number of threads may share one producer.

    - Order, and interruption (here by a signal, such as Ctrl-C): as with :class:`Producer`.
    - Fork: a child process opens its own connections automatically.
    - Closing: ``with``, or :meth:`close`, while no push is running.
    """

    def __init__(  # noqa: PLR0913 - keywords, most of which a caller leaves out
        self,
        url: str = "redis://127.0.0.1:6379/0",
        *,
        queue: str = "events",
        shards: int = 1,
        consume_from: Side = "left",
        max_event_bytes: int = 65_536,
        max_waiting: int | None = None,
        durability: Durability | None = None,
        retry_for: float = _RETRY_FOR,
        remember_for: float = _REMEMBER_FOR,
    ) -> None:
        """Takes the same arguments as :class:`Producer`, and raises the same."""
        target = Target(queue, shards, consume_from, max_waiting, durability or Durability())
        self._pushes = _pushes(url, target, max_event_bytes, retry_for, remember_for)
        self._channel = BlockingChannel(url, target.answer_timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def push(
        self,
        /,
        user_id: str | int,
        name: str,
        date: datetime | str | None = None,
        *,
        idempotency_key: str | None = None,
        **members: object,
    ) -> None:
        """Pushes one event. Without a date, it gets the present moment. See :meth:`Producer.push_many` for the rest."""
        self._run(_event(user_id, name, date, members), idempotency_key)

    def push_many(self, events: _Events, *, idempotency_key: str | None = None) -> None:
        """Pushes events as :meth:`Producer.push_many` does, and raises the same."""
        self._run(events, idempotency_key)

    def close(self) -> None:
        """Closes the connections; a push afterwards raises :class:`RuntimeError`."""
        self._pushes.closed = True
        self._channel.close()

    def _run(self, events: _Events, idempotency_key: str | None) -> None:
        steps = self._pushes.steps(list(events), idempotency_key)
        channel = self._channel = self._channel.here()
        replies: Any = None
        with suppress(StopIteration):
            while True:
                with channel.slots:
                    step = steps.send(replies)
                    while not isinstance(step, float):
                        step = steps.send(exchange_blocking(channel.redis, step))
                time.sleep(step)
                replies = ()


def _problems(url: str, max_event_bytes: int) -> Iterator[str]:
    try:
        redis_url.check(url)
    except ValueError as error:
        yield f"url: {error}; example: {redis_url.EXAMPLE}"
    yield from outside("max_event_bytes", max_event_bytes, 1, example=65_536)
