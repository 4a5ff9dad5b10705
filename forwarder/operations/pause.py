"""Pausing: a person asks all workers to finish what is in flight, and to wait."""

from datetime import UTC, datetime, timedelta

from forwarder.event.dates import timestamp
from forwarder.outcome import PAUSED
from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue
from forwarder.retry import patiently


async def pause(queue: Queue, *, seconds: float | None = None, why: str = "") -> HaltRecord:
    """Pauses all workers of a queue, within about a second, and returns the pause. An earlier one is replaced.

    Args:
        queue: the queue.
        seconds: how long it lasts; None: until a person resumes.
        why: shown to everybody who asks for the state.

    Raises:
        UnreachableError: Redis gave no answer. The workers may pause all the same.
    """
    now = datetime.fromtimestamp(await patiently(queue.now) / 1000, UTC)
    ends = "until a person resumes" if seconds is None else f"until {timestamp(now + timedelta(seconds=seconds))}"
    record = HaltRecord(PAUSED, f"{why} ({ends})" if why else ends, timestamp(now), "")
    milliseconds = 0 if seconds is None else max(1, round(seconds * 1000))
    await patiently(lambda: queue.pause(record, milliseconds))
    return record
