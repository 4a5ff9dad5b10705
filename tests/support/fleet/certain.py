"""Takes chance out of a process, at the places where it comes in, so that a seed decides all that happens."""

import gc
import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, tzinfo
from unittest.mock import patch
from zlib import crc32

from forwarder.queue.lease import Lease
from forwarder.retry import patiently
from forwarder.worker import halts


@contextmanager
def certain(seed: str, now: Callable[[], float]) -> Iterator[None]:
    """Random numbers, tokens, the time of day and the order of a set of leases follow from the seed alone.

    Python's garbage collector is off: it begins when so many objects were made, in this run and in those before it, and
    a collected object may still have been counted. Call `gc.collect()` at times of your own.

    Args:
        seed: decides.
        now: seconds since the epoch, which the process sees.
    """

    class Datetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(now(), tz)

    tokens = random.Random(f"tokens of {seed}")
    before, was_on = random.getstate(), gc.isenabled()
    with ExitStack() as stack:
        stack.callback(random.setstate, before)
        random.seed(f"process of {seed}")
        stack.enter_context(patch.object(secrets, "token_hex", lambda size: tokens.randbytes(size).hex()))
        stack.enter_context(patch.object(time, "time", now))
        stack.enter_context(patch.object(halts, "datetime", Datetime))
        stack.enter_context(patch.dict(patiently.__kwdefaults__, clock=now))
        # By default the hash of an object is its address.
        stack.enter_context(patch.object(Lease, "__hash__", lambda self: crc32(self.token.encode())))
        if was_on:
            gc.disable()
            stack.callback(gc.enable)
        yield
