"""The end of an ownership, on a virtual clock."""

import asyncio

import pytest

from forwarder.errors import LeaseLostError
from forwarder.queue.claims import Settlement
from forwarder.worker.condition import Stopping
from tests.support.virtual.api import ACCEPTED, UNAVAILABLE, Reply
from tests.support.virtual.pipeline import VirtualClaims, World, virtually


def test_a_lease_that_is_lost_while_winding_down_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The accepted event stays claimed and will be sent twice: an alert depends on this count."""

    async def lost(_: VirtualClaims, __: Settlement) -> None:
        raise LeaseLostError("another worker may hold the lease")

    async def live() -> World:
        world = World(lambda _: Reply(ACCEPTED, 5.0), linger=0.0)
        world.push(["u"])
        stopping = Stopping(asyncio.Event(), asyncio.Event())
        owning = asyncio.create_task(world.own(stopping))
        await asyncio.sleep(1.0)
        monkeypatch.setattr(VirtualClaims, "settle", lost)
        stopping.orderly.set()
        await owning
        return world

    world = virtually(live(), seed=1)
    assert world.list.claimed
    assert world.process.metrics.values()["lease_lost_total"][""] == 1


def test_what_an_ownership_had_in_memory_goes_with_it() -> None:
    """A list that is lost and owned again would otherwise be in memory twice, until garbage is collected."""

    async def live() -> World:
        world = World(lambda _: UNAVAILABLE, linger=0.0)
        world.push(["u", "v"])
        stopping = Stopping(asyncio.Event(), asyncio.Event())
        owning = asyncio.create_task(world.own(stopping))
        await asyncio.sleep(1.0)
        assert [stock.users for stock in world.process.stocks] == [2]
        stopping.orderly.set()
        await owning
        return world

    world = virtually(live(), seed=1)
    assert world.list.claimed
    assert world.ownership is not None
    assert (world.ownership.holds.buffered, world.process.stocks) == (0, set())


@pytest.mark.parametrize(("shutdown_timeout", "settled"), [(None, True), (20.0, False)])
def test_a_stop_waits_for_a_slow_post_unless_it_is_told_not_to(
    shutdown_timeout: float | None, *, settled: bool
) -> None:
    async def live() -> World:
        given = {"request_timeout": 60.0, "lease_ttl": 200.0, "linger": 0.0, "shutdown_timeout": shutdown_timeout}
        world = World(lambda _: Reply(ACCEPTED, 55.0), **given)
        world.push(["u"])
        stopping = Stopping(asyncio.Event(), asyncio.Event())
        owning = asyncio.create_task(world.own(stopping))
        await asyncio.sleep(1.0)
        stopping.orderly.set()
        await owning
        return world

    world = virtually(live(), seed=1)
    assert [attempt.user for attempt in world.api.attempts] == ["u"]
    assert bool(world.list.claimed) is not settled, "what is claimed is sent again by the next owner"
