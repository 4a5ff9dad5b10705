"""What outlives one ownership of the list: the parts that a process builds once."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.api.pacing.permits import Pacer
from forwarder.api.verdict import Judge
from forwarder.config import Settings
from forwarder.logs.repeats import Chatter
from forwarder.metrics import Metrics
from forwarder.pipeline.availability import Availability
from forwarder.pipeline.brake import Brake
from forwarder.queue import Keys, Queue, Redis
from forwarder.retry import Backoff


@dataclass(slots=True)
class Trust:
    """Whether this process has seen that the list holds events. Until then it dead-letters with care."""

    established: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """Handed down as one value. None of it is of a single ownership; `keys` and `reach` are of one list."""

    settings: Settings
    metrics: Metrics
    redis: Redis
    queue: Queue
    keys: Keys
    reach: Availability
    credentials: Credentials
    api: Api
    judge: Judge
    pacer: Pacer
    backoff: Backoff
    brake: Brake
    chatter: Chatter
    clock: Callable[[], float]
    #: Of this process, for people.
    name: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    trust: Trust = field(default_factory=Trust)

    def of_list(self, shard: int) -> Self:
        """The same parts, for another one of the queue's lists."""
        keys = Keys(self.keys.queue, shard, of=self.keys.of)
        return replace(self, keys=keys, reach=self.reach.of_list(keys.list))


def build(
    settings: Settings,
    redis: Redis,
    credentials: Credentials,
    api: Api,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Parts:
    """Builds the rest from the settings; nothing is contacted."""
    keys, metrics = Keys(settings.queue, of=settings.shards), Metrics()
    return Parts(
        settings=settings,
        metrics=metrics,
        redis=redis,
        queue=Queue(redis, settings.queue, settings.shards),
        keys=keys,
        reach=Availability(metrics, keys.queue, clock=clock),
        credentials=credentials,
        api=api,
        judge=Judge(credentials, api.fingerprint, settings.max_attempts, settings.max_retry_age, clock),
        pacer=Pacer(
            concurrency=settings.concurrency,
            rate=settings.rate_limit,
            initial_pause=settings.retry_initial,
            longest_pause=settings.retry_max,
            clock=clock,
        ),
        backoff=Backoff(initial=settings.retry_initial, maximum=settings.retry_max),
        brake=Brake(settings.dead_letter_brake),
        chatter=Chatter(clock),
        clock=clock,
    )
