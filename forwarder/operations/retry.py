"""Trying now: a person ends the pauses of an outage, and every backoff."""

import secrets
from dataclasses import dataclass

from forwarder.outcome import PAUSED
from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue
from forwarder.retry import patiently


@dataclass(frozen=True, slots=True)
class Requested:
    """What comes of a request to try now.

    Attributes:
        workers: how many try now.
        halt: why none does; None if the service is neither halted nor paused.
    """

    workers: int
    halt: HaltRecord | None = None

    @property
    def sentence(self) -> str:
        """The same for people."""
        if self.halt is not None and self.halt.reason == PAUSED:
            return "The service is paused, so nothing is tried. To go on: `forwarder resume`"
        if self.halt is not None:
            return (
                f"The service is halted ({self.halt.reason}), so nothing is tried. "
                "Fix the cause, then run `forwarder resume`."
            )
        if not self.workers:
            return "No worker is running, so nothing is tried. Start one: `forwarder run`"
        return "1 worker tries now." if self.workers == 1 else f"{self.workers} workers try now."


async def request_retry(queue: Queue) -> Requested:
    """Asks all workers to try now. Each does so with its next heartbeat, within about a second.

    Raises:
        UnreachableError: Redis gave no answer. The workers may try now all the same.
    """
    orders = await patiently(queue.orders)
    if (halt := orders.halt or orders.pause) is not None:
        return Requested(0, halt)
    text = secrets.token_hex(8)
    await patiently(lambda: queue.request_retry(text))
    return Requested(len(await patiently(queue.workers)))
