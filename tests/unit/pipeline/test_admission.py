"""The gate for what comes into memory: in order, never more than there is room for, and nobody waits for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from forwarder.event import Event
from forwarder.pipeline.admission import Admission
from forwarder.pipeline.buffer.space import Limits, Room, Space


class Gate:
    """Room for 100 events and 1,000 bytes, granted from 2 events and 20 bytes on. The reserve: 12 events, 125 bytes."""

    def __init__(self) -> None:
        self.space = Space(Limits(events=100, bytes=1_000, events_per_post=10, body_bytes=500, linger=0.0))
        self.admission = Admission(self.space)
        self.granted: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str, events: int, size: int) -> bool:
        return await self._ask(name, self.admission.room(Room(events, size)))

    async def recall(self, name: str, events: int, size: int) -> bool:
        return await self._ask(name, self.admission.recall(Room(events, size)))

    async def _ask(self, name: str, request: AbstractAsyncContextManager[Room | None]) -> bool:
        async def hold() -> None:
            async with request:
                self.granted.append(name)
                await self._ends[name].wait()

        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(hold())
        await asyncio.sleep(0.001)
        return name in self.granted

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self._tasks.pop(name)
        await asyncio.sleep(0.001)

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.wait([self._tasks.pop(name)])

    async def close(self) -> None:
        for name in list(self._tasks):
            await self.cancel(name)


@asynccontextmanager
async def gate() -> AsyncIterator[Gate]:
    here = Gate()
    yield here
    await here.close()
    assert here.space.room == (100 - here.space.events, 1_000 - here.space.bytes), "all of it was given back"


async def test_room_is_taken_while_its_events_are_on_their_way() -> None:
    async with gate() as here:
        assert await here.ask("a", 10, 900)
        assert here.space.room == (90, 100)
        assert await here.ask("b", 10, 900), "a part of it is worth a round trip"
        assert here.space.room == (80, 0)
        assert not await here.ask("c", 1, 1)
        await here.end("a")
        assert here.granted == ["a", "b", "c"]


async def test_a_request_gets_no_more_than_is_free() -> None:
    space = Space(Limits(100, 1_000, 10, 500, 0.0))
    space.hold([Event(number, 0, "u", b"x" * 9) for number in range(70)])
    assert space.grant(Room(50, 5_000)) == (30, 300)
    assert space.grant(Room(1, 1)) is None


@pytest.mark.parametrize(("bodies", "granted"), [(980, (1, 20)), (981, None)])
def test_a_request_waits_until_it_is_worth_a_round_trip(bodies: int, granted: Room | None) -> None:
    space = Space(Limits(100, 1_000, 10, 500, 0.0))
    space.bytes = bodies
    assert space.grant(Room(1, 500)) == granted
    assert space.grant(Room(1, 19)) == (Room(1, 19) if granted is None else None), (
        "a small one needs no more than it is"
    )


async def test_requests_are_granted_in_their_order_even_if_a_later_one_would_fit() -> None:
    async with gate() as here:
        here.space.events = 99
        assert not await here.ask("large", 50, 100)
        assert not await here.ask("small", 1, 1)
        here.space.events = 0
        here.admission.freed()
        await asyncio.sleep(0.001)
        assert here.granted == ["large", "small"]


async def test_a_request_that_is_cancelled_leaves_the_line_and_its_room() -> None:
    async with gate() as here:
        assert await here.ask("a", 100, 1_000)
        assert not await here.ask("b", 100, 1_000)
        assert not await here.ask("c", 100, 1_000)
        await here.cancel("b")
        await here.cancel("a")
        await asyncio.sleep(0.001)
        assert here.granted == ["a", "c"]


async def test_released_batches_have_a_reserve_that_claims_cannot_use_up() -> None:
    async with gate() as here:
        assert await here.ask("claim", 100, 1_000)
        assert await here.recall("first", 6, 60)
        assert await here.recall("second", 6, 60)
        assert not await here.recall("third", 6, 60)
        await here.end("first")
        assert here.granted[-1] == "third"


async def test_a_batch_larger_than_the_reserve_goes_alone() -> None:
    async with gate() as here:
        assert await here.recall("huge", 100, 10_000)
        assert not await here.recall("small", 1, 1)
        assert not await here.recall("huge too", 100, 10_000)
        await here.end("huge")
        assert here.granted == ["huge", "small"]
        await here.end("small")
        assert here.granted == ["huge", "small", "huge too"]
