"""What outlives one ownership of the list: the parts that a process builds once."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from forwarder.api import Api
from forwarder.brake import Brake
from forwarder.chatter import Chatter
from forwarder.config import Settings
from forwarder.credentials import Credentials
from forwarder.judge import Judge
from forwarder.lookout import Lookout
from forwarder.metrics import Metrics
from forwarder.pacing import Pacer
from forwarder.queue import Keys, Records, Redis
from forwarder.reach import Reach
from forwarder.retry import Backoff


@dataclass(slots=True)
class Trust:
    """Whether this process has seen that the list holds events. Until then it dead-letters with care."""

    established: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """Handed down as one value. Nothing here belongs to a single ownership of the list."""

    settings: Settings
    metrics: Metrics
    redis: Redis
    keys: Keys
    records: Records
    reach: Reach
    lookout: Lookout
    credentials: Credentials
    api: Api
    judge: Judge
    pacer: Pacer
    backoff: Backoff
    brake: Brake
    chatter: Chatter
    clock: Callable[[], float]
    trust: Trust = field(default_factory=Trust)


def build(
    settings: Settings,
    redis: Redis,
    credentials: Credentials,
    api: Api,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Parts:
    """Builds the rest from the settings; nothing is contacted."""
    keys, metrics = Keys(settings.queue), Metrics()
    return Parts(
        settings=settings,
        metrics=metrics,
        redis=redis,
        keys=keys,
        records=Records(redis, keys),
        reach=Reach(metrics, clock=clock),
        lookout=Lookout(metrics, clock=clock),
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
