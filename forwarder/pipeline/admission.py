"""The one gate through which events come into memory: claimed, adopted, or read back.

Nothing here waits for ever, because what takes up room never waits for room:

- Events that wait for their turn need a permit and a POST. Permits are held by POSTs alone, and a POST ends.
- Events that back off are tried again. They are released if they are more than a share of the room, so about half of it
  stays free of them; what stays needs no room to be tried again.
- A released batch takes room from the reserve before it asks for a permit. The reserve is held by nothing but batches
  that wait for a permit or are in flight. So no permit is held while room is awaited, and claims cannot use up the
  room that a retry needs.
- A batch larger than the whole reserve goes alone, and a request is granted in part as soon as that is worth it. So no
  buffer is too small.

Example: ten users fail for a moment with 800 events of 20 kB each, and MAX_BUFFERED_BYTES is 16 MiB. Their batches of
500 kB were released. When they recover, four of these are read back at a time, and behind each of them as much as its
user's next POST takes, until 16 MiB are full.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from forwarder.pipeline.buffer.space import Room, Space

_Line: TypeAlias = deque[tuple[Room, asyncio.Future[Room]]]


class Admission:
    """Grants room in the order of the requests. Those for released batches are in a line of their own."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._line: _Line = deque()
        self._recalls: _Line = deque()

    @asynccontextmanager
    async def room(self, need: Room) -> AsyncIterator[Room]:
        """Waits until there is room for these events, or for enough of them. It is taken until the end of the block."""
        async with self._granted(self._line, need, self._space.give_back) as room:
            yield room

    @asynccontextmanager
    async def recall(self, need: Room) -> AsyncIterator[None]:
        """Waits until the reserve has room for a released batch. It is taken until the end of the block."""
        async with self._granted(self._recalls, need, self._space.repay):
            yield

    @asynccontextmanager
    async def _granted(self, line: _Line, need: Room, ended: Callable[[Room], None]) -> AsyncIterator[Room]:
        waiter: asyncio.Future[Room] = asyncio.get_running_loop().create_future()
        line.append((need, waiter))
        self.freed()
        try:
            yield await waiter
        finally:
            if waiter.done() and not waiter.cancelled():
                ended(waiter.result())
                self.freed()

    def freed(self) -> None:
        """There may be room again."""
        _serve(self._line, self._space.grant)
        _serve(self._recalls, self._space.lend)


def _serve(line: _Line, grant: Callable[[Room], Room | None]) -> None:
    while line:
        need, waiter = line[0]
        if not waiter.done():  # it was not cancelled
            room = grant(need)
            if room is None:
                return
            waiter.set_result(room)
        line.popleft()
