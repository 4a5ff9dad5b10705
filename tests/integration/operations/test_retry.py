"""Who tries now when a person asks for it."""

from contextlib import AsyncExitStack

from forwarder.operations.retry import Requested, request_retry
from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue
from tests.support.service import eventually, running
from tests.support.world import World


async def test_only_the_owners_of_lists_are_counted_as_trying(world: World) -> None:
    queue = Queue(world.redis, world.queue, 1)

    async def is_said(expected: Requested) -> None:
        async def found() -> bool:
            return await request_retry(queue) == expected

        await eventually(found, what=f"it says {expected}")

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(world.settings()))
        await is_said(Requested(1))
        await stack.enter_async_context(running(world.settings()))
        await is_said(Requested(1, standbys=1))
        others = HaltRecord("credentials", "", "", "of another key")
        await queue.write_halt(others)
        await is_said(Requested(1, standbys=1))
    await is_said(Requested(0, halt=others))
