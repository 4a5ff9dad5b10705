"""Trying now: a person ends the pauses of an outage, and every backoff."""

import secrets
from collections import Counter
from dataclasses import dataclass

from forwarder.logs.printable import counted
from forwarder.outcome import PAUSED
from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue
from forwarder.retry import patiently


@dataclass(frozen=True, slots=True)
class Requested:
    """What comes of a request to try now.

    Attributes:
        workers: how many try now: those that own lists.
        standbys, halted: how many others run, and have nothing to try.
        halt: why none tries; None if the service is neither halted nor paused.
    """

    workers: int
    standbys: int = 0
    halted: int = 0
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
        if not self.workers and not self.standbys and not self.halted:
            return "No worker is running, so nothing is tried. Start one: `forwarder run`"
        others = []
        if self.standbys:
            others.append(f"{self.standbys:,} {'stands' if self.standbys == 1 else 'stand'} by")
        if self.halted:
            others.append(f"{self.halted:,} {'is' if self.halted == 1 else 'are'} halted")
        if not self.workers:
            return f"No worker tries now: none owns a list. {', '.join(others)}."
        tries = f"{counted(self.workers, 'worker')} {'tries' if self.workers == 1 else 'try'} now"
        return f"{', '.join([tries, *others])}."


async def request_retry(queue: Queue) -> Requested:
    """Asks all workers to try now. Each does so with its next heartbeat, within about a second.

    Raises:
        UnreachableError: Redis gave no answer. The workers may try now all the same.
    """
    orders = await patiently(queue.orders)
    workers = await patiently(queue.workers)
    owners = {each.owner for each in await patiently(queue.censuses)} & workers.keys()
    others = Counter(each.state for id_, each in workers.items() if id_ not in owners)
    halt = orders.halt or orders.pause
    # A halt that names a key or an address keeps only the workers that use it from their work.
    if halt is not None and not (owners and halt.fingerprint and orders.pause is None):
        return Requested(0, halt=halt)
    text = secrets.token_hex(8)
    await patiently(lambda: queue.request_retry(text))
    standbys = others.total() - others["halted"] - others["stopping"]
    return Requested(len(owners), standbys=standbys, halted=others["halted"])
