"""What a process builds once. Only this package and `service` see all of it; every other part names what it needs."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from forwarder.api.body_limit import BodyLimit
from forwarder.api.client import Api
from forwarder.api.courier import Courier
from forwarder.api.credentials import Credentials
from forwarder.api.doubts import Doubts
from forwarder.api.pacing.permits import Pacer
from forwarder.api.verdict import Judge
from forwarder.config import Settings
from forwarder.metrics import Metrics
from forwarder.pipeline.availability import Availabilities
from forwarder.pipeline.brake import Brake
from forwarder.pipeline.pace import Pace
from forwarder.pipeline.stock import Stock
from forwarder.queue.queue import Queue
from forwarder.worker.address import Address


@dataclass(frozen=True, slots=True)
class Process:
    """What all lists of a process share. Nothing here belongs to one list, or to one ownership of a list."""

    settings: Settings
    queue: Queue
    courier: Courier
    brake: Brake
    pace: Pace
    address: Address
    availabilities: Availabilities
    metrics: Metrics
    clock: Callable[[], float]
    #: The events of each list that is owned now.
    stocks: set[Stock]
    #: The worker's name, for people: host name and process ID.
    name: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")


def build(
    settings: Settings,
    queue: Queue,
    credentials: Credentials,
    api: Api,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Process:
    """Builds a process from its settings. Contacts nothing."""
    metrics = Metrics()
    pacer = Pacer(
        concurrency=settings.concurrency,
        rate=settings.rate_limit,
        initial_pause=settings.retry_initial,
        longest_pause=settings.retry_max,
        clock=clock,
    )
    metrics.concurrency_limit.set_function(lambda: int(pacer.limit))
    metrics.rate_limit.set_function(lambda: pacer.rate)
    stocks: set[Stock] = set()
    doubts = Doubts(credentials, api.fingerprint, lambda: sum(stock.users for stock in stocks))
    judge = Judge(credentials, doubts, settings.max_attempts, settings.max_retry_age, clock)
    body_limit = BodyLimit(int(settings.max_body_bytes))
    return Process(
        settings=settings,
        queue=queue,
        courier=Courier(api, judge, pacer, body_limit, metrics, debug=settings.log_level == "debug"),
        brake=Brake(settings.dead_letter_brake),
        pace=Pace(clock),
        address=Address(queue, doubts, clock),
        availabilities=Availabilities(metrics),
        metrics=metrics,
        clock=clock,
        stocks=stocks,
    )
