"""Starts a delivery when a user is due and a POST may start. Drains what is in flight at the end."""

import asyncio

from forwarder.api.pacing.permits import Permit
from forwarder.pipeline.attempts import Attempts
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.delivery import Delivery
from forwarder.pipeline.gate import Gate
from forwarder.pipeline.stock import Stock
from forwarder.retry import cancelled, first_of


class Dispatch:
    """The deliveries of one owner of a list."""

    def __init__(self, stock: Stock, attempts: Attempts, delivery: Delivery, gate: Gate) -> None:
        self._stock = stock
        self._attempts = attempts
        self._delivery = delivery
        self._gate = gate
        self._deliveries: set[asyncio.Task[None]] = set()

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Starts deliveries in `tasks`, for ever.

        The user is chosen last, once there is a permit: the batch may have grown while the permit was awaited.
        """
        while True:
            await self._stock.due()
            permit = await self._attempts.permit()
            batch = self._stock.take()
            if batch is None:
                self._attempts.unused(permit)
            else:
                self._start(tasks, batch, permit)

    def _start(self, tasks: asyncio.TaskGroup, batch: Batch, permit: Permit) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            self._deliveries.discard(task)
            # A task that is cancelled before its first step has not given back its permit.
            self._attempts.unused(permit)

        task = tasks.create_task(self._deliver(batch, permit))
        self._deliveries.add(task)
        task.add_done_callback(ended)

    async def _deliver(self, batch: Batch, permit: Permit) -> None:
        with self._gate.losing():
            await self._delivery.deliver(batch, permit)
            if not self._gate.closed.done():
                await self._stock.finish(batch.user)

    async def drain(self, *, seconds: float, at_once: asyncio.Event) -> None:
        """Lets POSTs in flight finish, for at most this many seconds or until `at_once`; then cancels the rest.

        Deliveries that back off or wait are cancelled immediately: their events are deferred. The gate must be closed.
        """
        deliveries = tuple(self._deliveries)
        self._attempts.stop(deliveries)
        if deliveries:
            await first_of(asyncio.wait(deliveries, timeout=seconds), at_once)
        await self.cancel()

    async def cancel(self) -> None:
        """Cancels all deliveries. Returns when they have ended."""
        await cancelled(tuple(self._deliveries))
