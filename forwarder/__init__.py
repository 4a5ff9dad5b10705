"""Drains user events from a Redis list into batched POSTs to the Carnival (Sailthru Mobile) API.

The journey of an event, from the producer to its end:

producer      what a backend imports: checks an event, pushes it, repeats that safely, reports the result
queue         Redis: keys, scripts, lease, claims, dead letters, fleet
event         one list element: decode, validate, date
pipeline      the events of one list: claim, buffer, dispatch, deliver, settle
api           the Carnival API: one POST, what its answer means, concurrency and rate
worker        which lists this worker owns, one ownership of each, halts
service       builds a process, runs it, stops it

For people:

cli           the commands, each with its output
admin         the admin address: probes, metrics, the status page, its actions
monitor       what a process knows about its queue: read every five seconds, kept for 15 minutes
operations    status, check, resharding
diagnosis     what is wrong, and what to do about it: the words of the page, the commands and the log
dead_letters  selecting, explaining and replaying dead letters
demo          its own Redis, a shop's purchases, and a check of every event
simulator     the stand-in API; shares no code with the rest

The ground:

config        settings
errors        every exception
outcome       an event's outcome, the reasons for dead letters and halts
metrics       every metric
retry         when to retry: tenacity
logs          the log, and no secret in it
runtime       the process and its event loop: signals, cancellation, look-ups of names
secret        a secret from a variable or a file, without what is around it by accident

Backend services import :class:`Producer`, :class:`SyncProducer` and their errors. That is light: it loads neither
aiohttp nor prometheus-client nor the settings.
"""

from importlib import import_module

from forwarder.errors import (
    ConfigurationError,
    ForwarderError,
    InvalidEventError,
    KeyReusedError,
    MaybePushedError,
    NotDurableError,
    NotPushedError,
    PushError,
    QueueFullError,
    RedisFullError,
)

__all__ = [
    "ConfigurationError",
    "Durability",
    "ForwarderError",
    "InvalidEventError",
    "KeyReusedError",
    "MaybePushedError",
    "NotDurableError",
    "NotPushedError",
    "Producer",
    "PushError",
    "QueueFullError",
    "RedisFullError",
    "SyncProducer",
]

__version__ = "0.2.0"


def __getattr__(name: str) -> object:
    # Every command imports this package; only those that push need the producers, and redis for them.
    # `__init__.pyi` shows type checkers the same names as plain imports.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module("forwarder.producer"), name)
    return found
