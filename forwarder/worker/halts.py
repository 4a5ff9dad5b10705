"""The halt as this process sees it: which halt in Redis is meant for it, and whether a person has paused it."""

from datetime import UTC, datetime

import structlog

from forwarder.api.credentials import Credentials
from forwarder.event.dates import timestamp
from forwarder.outcome import Halt
from forwarder.pipeline.availability import Availability
from forwarder.queue.halts import HaltRecord, Orders
from forwarder.queue.queue import Queue

log = structlog.get_logger()


def record(halt: Halt) -> HaltRecord:
    """The halt as it is written to Redis, beginning now."""
    return HaltRecord(halt.reason, halt.detail, timestamp(datetime.now(UTC)), halt.fingerprint)


class Halts:
    """The halt in Redis, if it is meant for this process: it names this process's key or address, or neither.

    Args:
        address: fingerprint of the API's address.
    """

    def __init__(self, queue: Queue, credentials: Credentials, address: str, availability: Availability) -> None:
        self._queue = queue
        self._credentials = credentials
        self._address = address
        self._availability = availability

    def _is_meant(self, halt: HaltRecord) -> bool:
        return halt.fingerprint in ("", self._credentials.fingerprint, self._address)

    async def present(self) -> HaltRecord | None:
        """The halt in force, if it is meant for this process; or else the pause. Raises UnreachableError."""
        return (await self.orders()).halt

    async def orders(self) -> Orders:
        """The same, and the latest request to try now."""
        orders = await self._queue.orders()
        is_meant = orders.halt is not None and self._is_meant(orders.halt)
        return orders if is_meant else orders._replace(halt=orders.pause)

    async def present_once_available(self) -> HaltRecord | None:
        """The same, once Redis is available."""
        return await self._availability.until(self.present)

    async def before_work(self) -> HaltRecord | None:
        """The halt or the pause that keeps this process from work. Waits until Redis is available.

        The key file is read again. A halt that names another key or address is ended: this process uses a new one, so
        somebody has fixed the cause.
        """
        halt, _, pause = await self._availability.until(self._queue.orders)
        if halt is None:
            return pause
        self._credentials.reload()
        if self._credentials.problem is not None:
            log.warning("cannot use the file of the API key", problem=self._credentials.problem, repeats=True)
        if self._is_meant(halt):
            return halt
        if await self._availability.until(lambda: self._queue.end_halt(halt)):
            log.info("halt ended: this worker does not use the key or address that was refused", reason=halt.reason)
        return pause

    async def write(self, halt: HaltRecord) -> None:
        """Writes a halt to Redis, for every worker. Waits until Redis is available."""
        await self._availability.until(lambda: self._queue.write_halt(halt))
