"""Owns a share of the lists or stands by; waits while halted; starts over, until it is asked to stop."""

from forwarder.errors import ExitOnHaltError
from forwarder.outcome import PAUSED
from forwarder.queue.halts import HaltRecord
from forwarder.retry import first_of, wait_at_most
from forwarder.worker.condition import Condition, State, Stopping
from forwarder.worker.halts import Halts
from forwarder.worker.presence import Presence
from forwarder.worker.process import Process
from forwarder.worker.shares import Shares

#: Seconds between two reads of a halt.
_HALT_POLL = 1.0
#: The others remember a silent worker for at least this many seconds, because some of its heartbeats may be late. With
#: the default lease of 30 s they remember it for 10 s.
_REMEMBERED = 3.0


class Worker:
    """Runs on the lists of one queue, with any number of others: the holder of a lease drains that list.

    Args:
        process: what the process has built.
        condition: where it reports what it is doing.
        stopping: set to stop; :meth:`run` then returns in good order.
    """

    def __init__(self, process: Process, condition: Condition, halts: Halts, stopping: Stopping) -> None:
        self._process = process
        self._condition = condition
        self._halts = halts
        self._stopping = stopping
        lease_ttl = process.settings.lease_ttl
        remembered = max(_REMEMBERED, lease_ttl / 3)
        fleet = process.queue.fleet(name=process.name, remembered=remembered)
        self._presence = Presence(process, fleet, condition)
        process.metrics.lists.set(len(process.queue.lists))

    async def run(self) -> None:
        """Works until asked to stop.

        Raises:
            WrongTypeError: a Redis key of a list holds another type; also inside an ExceptionGroup.
            ShardsDisagreeError: the queue has another number of lists than FORWARDER_SHARDS; as above.
            ExitOnHaltError: halted, with on_halt=exit.
        """
        while not self._stopping.orderly.is_set():
            halt = await first_of(self._halts.before_work(), self._stopping.orderly)
            if halt is not None:
                await self._halted(halt)
            elif not self._stopping.orderly.is_set():
                self._resumed()
                await first_of(self._know_the_address(), self._stopping.orderly)
                await Shares(self._process, self._presence, self._condition, self._halts, self._stopping).run()
        await self._presence.withdraw()
        self._condition.be(State.STOPPED)

    async def _halted(self, halt: HaltRecord) -> None:
        """Stays halted for a moment. The caller then reads the halt again."""
        self._condition.be(State.HALTED, halt)
        if self._process.settings.on_halt == "exit" and halt.reason != PAUSED:  # a pause ends by itself
            await self._presence.withdraw()
            raise ExitOnHaltError(halt.reason, halt.detail)
        await self._presence.show()
        await wait_at_most(self._stopping.orderly, _HALT_POLL)

    async def _know_the_address(self) -> None:
        availability = self._process.availabilities.of(self._process.settings.queue)
        await availability.until(self._process.address.read)

    def _resumed(self) -> None:
        """If a halt is over, what led to it no longer counts: the person who ended it has looked at it."""
        if self._condition.halt is not None and self._condition.halt.reason != PAUSED:
            self._process.brake.forget()
