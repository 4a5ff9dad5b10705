"""Ending a halt."""

from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue
from forwarder.retry import patiently


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
