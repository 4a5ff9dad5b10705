"""Ending a pause or a halt."""

from dataclasses import dataclass

from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue
from forwarder.retry import patiently


@dataclass(frozen=True, slots=True)
class Resumed:
    """What came of it: the pause or the halt that was ended, and the halt that is still in force."""

    ended: HaltRecord | None = None
    remains: HaltRecord | None = None


async def resume(queue: Queue, *, allow_refusals: int = 0) -> Resumed:
    """Ends the pause; if there is none, the halt. So a halt under a pause stays until a person has seen it.

    Raises:
        UnreachableError: Redis gave no answer. What was to be ended may have ended.
    """
    orders = await patiently(queue.orders)
    if orders.pause is None:
        return Resumed(await end_halt(queue, allow_refusals=allow_refusals))
    await patiently(queue.end_pause)
    return Resumed(orders.pause, orders.halt)


async def end_halt(queue: Queue, *, allow_refusals: int = 0) -> HaltRecord | None:
    """Ends the halt in force and returns it; None if there is none.

    Args:
        queue: the queue to resume.
        allow_refusals: refusals that the dead-letter brake then lets through.

    Raises:
        UnreachableError: Redis gave no answer. The halt may have ended.
    """
    halt = await patiently(queue.halt)
    if halt is None:
        return None
    # Before the halt ends: a worker reads what is allowed as soon as it owns a list again.
    await patiently(lambda: queue.allow(allow_refusals))

    async def end() -> None:
        # This halt and no other: one that was written meanwhile stays. Only the text of a halt that was written by hand
        # differs from ours though it says the same.
        if await queue.end_halt(halt, looked=True) is None and await queue.halt() == halt:
            await queue.end_halt(looked=True)

    await patiently(end)
    return halt
