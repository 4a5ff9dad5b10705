"""Tries a batch until there is a verdict."""

import asyncio
from collections.abc import Iterable

from forwarder.api.courier import Courier
from forwarder.api.pacing.permits import Permit
from forwarder.api.verdict import Retry, Tries, Verdict
from forwarder.pipeline.buffer.batch import Batch
from forwarder.pipeline.gate import Gate
from forwarder.pipeline.stock import Stock
from forwarder.retry import Backoff


class Attempts:
    """Sends batches until there is a verdict, for one owner of a list.

    A batch that backs off holds no permit, and few bytes in memory.
    """

    def __init__(self, courier: Courier, backoff: Backoff, gate: Gate, stock: Stock) -> None:
        self._courier = courier
        self._backoff = backoff
        self._gate = gate
        self._stock = stock
        #: Tasks with a POST in flight, which :meth:`stop` must not cancel: the POST may be accepted.
        self._posting: set[asyncio.Task[object] | None] = set()

    async def permit(self, *, again: bool = False, part: bool = False) -> Permit:
        """Waits for the right to send one POST now. `again`: it retries a batch. `part`: it is for a halved one's."""
        while True:
            await self._gate.opened()
            permit = await self._courier.permit(again=again, part=part)
            if self._gate.is_open():  # it may have closed in the meantime
                return permit
            self._courier.unused(permit)

    def unused(self, permit: Permit) -> None:
        """Gives a permit back, unless its POST has done so."""
        self._courier.unused(permit)

    async def verdict(self, batch: Batch, permit: Permit | None) -> Verdict:
        """Sends a batch until the verdict is not "retry", or until the gate is closed for good.

        Args:
            batch: what to send.
            permit: for the first attempt, if there is one already.
        """
        tries = self._courier.first_try()
        try:
            if permit is not None:
                verdict = await self._post(batch, permit, tries)
            else:
                verdict = await self._attempt(batch, tries, again=False)
            return await self._retried(batch, tries, verdict) if self._is_retry(verdict) else verdict
        finally:
            self._courier.last_try()

    def stop(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """Cancels those of the tasks that back off or wait. POSTs in flight may finish. The gate must be closed."""
        for task in tasks:
            if task not in self._posting:
                task.cancel()

    def _is_retry(self, verdict: Verdict) -> bool:
        return isinstance(verdict, Retry) and not self._gate.closed.done()

    async def _retried(self, batch: Batch, tries: Tries, verdict: Verdict) -> Verdict:
        async def attempt() -> Verdict:
            return await self._attempt(batch, tries, again=True)

        def at_least(verdict: Verdict) -> float:
            return verdict.after if isinstance(verdict, Retry) else 0.0

        return await self._backoff.until(verdict, attempt, again=self._is_retry, at_least=at_least)

    async def _attempt(self, batch: Batch, tries: Tries, *, again: bool) -> Verdict:
        """Gets the room first, the permit second, and the bytes third.

        So no permit is held while room is awaited, and only bytes that may be sent now are in memory.
        """
        async with self._stock.room_for(batch):
            return await self._post(batch, await self._permit_for(batch, again=again), tries)

    async def _permit_for(self, batch: Batch, *, again: bool) -> Permit:
        while True:
            permit = await self.permit(again=again, part=not again)
            try:
                if batch.released:
                    await self._stock.recall(batch)
                if self._gate.is_open():
                    return permit
            except BaseException:
                self._courier.unused(permit)
                raise
            self._courier.unused(permit)

    async def _post(self, batch: Batch, permit: Permit, tries: Tries) -> Verdict:
        task = asyncio.current_task()
        self._posting.add(task)
        try:
            verdict = await self._courier.post(batch.user, [event.body for event in batch.events], permit, tries)
        finally:
            self._posting.discard(task)
        if isinstance(verdict, Retry):
            await self._stock.back_off(batch)
        return verdict
