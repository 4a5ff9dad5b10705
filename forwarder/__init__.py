"""Drains user events from a Redis list into batched POSTs to the Carnival (Sailthru Mobile) API.

The journey of an event, one module a step, from top to bottom:

    producer      a backend pushes an element onto the list (outgoing, push; or any language's RPUSH)
    intake        claims it: out of the list, onto loan; decodes it (event)
    buffer        groups it with its user's other events, and says whose turn it is
    delivery      gets the batch decided: POST (api), verdict (judge), again (retry), halve
    settlement    ends the loan: acked, or a dead letter (brake watches)

Around it: queue is Redis, pacing how many and how fast, reach whether Redis serves, tenure one ownership of
the list, worker a life of tenures, service a process. cli, admin, status, dead and demo are for people.

What backend services import is :class:`Producer`, :class:`SyncProducer` and their errors. It is light: neither
aiohttp nor Prometheus nor the settings come with it.
"""

from forwarder.errors import (
    ConfigurationError,
    ForwarderError,
    InvalidEventError,
    MaybePushedError,
    NotDurableError,
    NotPushedError,
    PushError,
    QueueFullError,
    RedisFullError,
)
from forwarder.producer import Producer, SyncProducer
from forwarder.queue import Durability

__all__ = [
    "ConfigurationError",
    "Durability",
    "ForwarderError",
    "InvalidEventError",
    "MaybePushedError",
    "NotDurableError",
    "NotPushedError",
    "Producer",
    "PushError",
    "QueueFullError",
    "RedisFullError",
    "SyncProducer",
]

__version__ = "0.1.0"
