"""The backoffs of all batches of a process, and what ends them before their time.

A batch that failed in an outage says nothing about its user. So its backoff ends when the API answers again: a user who
failed for the eighth time a second before that would otherwise be silent for a minute. A person ends every backoff by
asking for it (`forwarder retry`).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

#: At most this many backoffs end in one step of the event loop. What follows each takes about 50 us, so that a step
#: takes 5 ms, also if 10,000 users back off.
_TOGETHER = 100


@dataclass(slots=True, eq=False)
class _Pause:
    """One backoff. Times are on the clock of the owner.

    Attributes:
        began: when.
        asked: until when the API has asked this user to wait.
        until: when it ends by itself.
    """

    began: float
    asked: float
    until: float
    over: asyncio.Future[None]
    timer: asyncio.TimerHandle


class Backoffs:
    """Those who back off now.

    Args:
        clock: seconds, monotonic; the event loop's.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        #: A dict for its order: those who have waited longest go first.
        self._asleep: dict[_Pause, None] = {}

    @property
    def next_end(self) -> float:
        """When the next backoff ends by itself; infinity if there is none."""
        return min((pause.until for pause in self._asleep), default=inf)

    async def sleep(self, seconds: float, asked: float = 0.0) -> None:
        """Backs off for this many seconds, or until the backoff is ended.

        Args:
            seconds: all of it.
            asked: the first of these seconds, for which the API has asked this user to wait.
        """
        loop, now = asyncio.get_running_loop(), self._clock()
        over: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _end, over)
        pause = _Pause(now, now + asked, now + seconds, over, timer)
        self._asleep[pause] = None
        try:
            await over
        finally:
            pause.timer.cancel()
            del self._asleep[pause]

    def end_since(self, began: float) -> int:
        """Ends the backoffs that began then or later, but none before its `Retry-After`. Returns how many there are."""
        now, loop = self._clock(), asyncio.get_running_loop()
        ended = [pause for pause in self._asleep if pause.began >= began]
        for pause in ended:
            if now < pause.asked < pause.until:
                pause.timer.cancel()
                pause.timer = loop.call_later(pause.asked - now, _end, pause.over)
                pause.until = pause.asked
        self._end([pause for pause in ended if pause.asked <= now])
        return len(ended)

    def end_all(self) -> int:
        """Ends every backoff, whatever the API has asked for. Returns how many there were."""
        ended = list(self._asleep)
        self._end(ended)
        return len(ended)

    def _end(self, pauses: Sequence[_Pause]) -> None:
        for pause in pauses[:_TOGETHER]:
            _end(pause.over)
        if pauses[_TOGETHER:]:
            asyncio.get_running_loop().call_soon(self._end, pauses[_TOGETHER:])


def _end(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
