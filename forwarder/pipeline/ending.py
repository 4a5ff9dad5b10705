"""How an ownership of a list ends, and how a process is asked to stop; values."""

import asyncio
from dataclasses import dataclass

from forwarder.api.verdict import Halt


@dataclass(frozen=True, slots=True)
class Stopped:
    """A person or the supervisor asked for it."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The lease, or Redis' memory of it, is gone; nothing could be settled any more."""

    why: str


@dataclass(frozen=True, slots=True)
class Halted:
    """Nothing may be sent. ``stop`` is this owner's own reason, or None when a halt was found in Redis."""

    stop: Halt | None


Ending = Stopped | Lost | Halted


@dataclass(frozen=True, slots=True)
class Stopping:
    """How a process is asked to stop: in good order, and then at once."""

    orderly: asyncio.Event
    at_once: asyncio.Event
