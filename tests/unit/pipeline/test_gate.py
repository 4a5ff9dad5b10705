"""When a POST may start, by whole ownerships on a virtual clock."""

import asyncio
from typing import NoReturn

import pytest

from forwarder.api.answer import Declined, Meaning
from forwarder.outcome import HaltReason
from forwarder.pipeline.gate import Gate, Halted, Lost, Stopped
from forwarder.queue.keys import Keys
from forwarder.queue.lease import Lease
from tests.support.virtual.api import ACCEPTED, Attempt
from tests.support.virtual.pipeline import _NO_REDIS, VirtualClaims, World, virtually

UNAUTHORIZED = Declined(401, Meaning.UNAUTHORIZED)


def test_not_a_single_post_starts_after_the_verdict_that_halts() -> None:
    """Two users are due and one POST may be in flight: its answer gives its place to the other and halts, at once."""

    async def halt() -> tuple[list[Attempt], object]:
        def unauthorized(_: Attempt) -> Declined:
            key = world.process.courier._judge.credentials.fingerprint
            return Declined(401, Meaning.UNAUTHORIZED, fingerprint=key)

        world = World(unauthorized, concurrency=1, linger=0.0)
        world.push(["a", "b"])
        return world.api.attempts, await world.own()

    attempts, ending = virtually(halt(), seed=1)
    assert isinstance(ending, Halted)
    assert ending.halt is not None
    assert ending.halt.reason is HaltReason.CREDENTIALS
    assert [attempt.user for attempt in attempts] == ["a"]


def _cancelled_by_a_library(*_: object, **__: object) -> NoReturn:
    raise asyncio.CancelledError


@pytest.mark.parametrize("what", ["claim", "settle", "read"])
def test_a_part_of_the_work_that_a_library_cancels_ends_the_ownership_and_the_next_one_adopts(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts are tasks: without this one of them would end silently, and the others would wait for it for ever."""

    async def live() -> World:
        world = World(lambda _: ACCEPTED, linger=0.0)
        world.push(["u", "v"])
        with monkeypatch.context() as patched:
            patched.setattr(VirtualClaims, what, _cancelled_by_a_library)
            if what == "read":
                await world.kill(asyncio.create_task(world.own()))
                world.list.claim(1, 1, 1_000, 1_000)
            async with asyncio.timeout(60.0):
                assert isinstance(await world.own(), Lost)
        await world.run_until(lambda: len(world.list.accepted) == 2, within=60.0)
        return world

    assert [attempt.user for attempt in virtually(live(), seed=1).api.attempts][-1] == "v"


class Open:
    """A gate with a lease of 30 s and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lease = Lease(_NO_REDIS, Keys("events"), ttl=30.0, clock=lambda: self.now)
        self.lease.end = 30.0
        self.gate = Gate(self.lease, margin=10.0, clock=lambda: self.now)


async def test_it_is_closed_as_soon_as_close_returns_and_the_first_reason_is_kept() -> None:
    gate = Open().gate
    assert gate.is_open()
    gate.close(Lost("the lease expired"))
    assert not gate.is_open()
    gate.close(Stopped())
    assert gate.closed.result() == Lost("the lease expired")


async def test_it_closes_a_margin_before_the_lease_ends_and_opens_when_that_is_extended() -> None:
    scene = Open()
    scene.now = 20.0
    assert not scene.gate.is_open()
    waiting = asyncio.create_task(scene.gate.opened())
    await asyncio.sleep(0)
    scene.lease.end = 50.0
    scene.gate.renewed()
    await asyncio.wait_for(waiting, 1.0)


async def test_a_settlement_that_is_unanswered_for_a_second_holds_posts_back() -> None:
    scene = Open()
    with scene.gate.settling():
        assert scene.gate.is_open()
        scene.now = 1.5
        assert not scene.gate.is_open()
    assert scene.gate.is_open()


async def test_a_settlement_that_fails_holds_nothing_back() -> None:
    scene = Open()
    with pytest.raises(OSError, match="cut"), scene.gate.settling():
        raise OSError("cut")
    scene.now = 5.0
    assert scene.gate.is_open()
