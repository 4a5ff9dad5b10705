"""While events wait in Redis, the buffer is filled before groups that are not full are sent. On a virtual clock.

A claim of 2,000 events takes half a second here: 4,000 a second, for a buffer of 10,000.
"""

import asyncio
from collections.abc import Callable

import pytest

from forwarder.worker.ownership import limits
from tests.support.virtual.api import ACCEPTED, UNAVAILABLE, Attempt, Reply
from tests.support.virtual.list_model import ListModel
from tests.support.virtual.pipeline import World, virtually

_CLAIMING = 0.5
#: Stands for a Redis that does not answer.
_NEVER = 1e6
#: A rate limit that limits nothing: with it, groups wait no longer than they linger.
_NO_FILLING = 1e6


class _Dated(ListModel):
    """Remembers when each event was claimed, in seconds. The events are numbered in the order they are pushed."""

    def __init__(self) -> None:
        super().__init__()
        self.dates: list[float] = []

    def claim(self, stamp: int, most: int, most_bytes: int, most_bytes_of_one: int) -> list[bytes | int]:
        claimed = super().claim(stamp, most, most_bytes, most_bytes_of_one)
        self.dates += [stamp / 1e6] * len(claimed)
        return claimed


class _Deep(World):
    """Its API accepts, after 4 s if the user's name is "slow", except what is for users named "fails…"."""

    def __init__(self, users: list[str], **others: object) -> None:
        given = {"rate_limit": 0, "max_buffered_events": 10_000, "max_attempts": 1_000, **others}
        super().__init__(self._answer, **given)
        self.list = self.dated = _Dated()
        self.claiming = _CLAIMING
        self.push(users)

    def _answer(self, attempt: Attempt) -> Reply:
        seconds = 4.0 if attempt.user == "slow" else 0.01
        return Reply(UNAVAILABLE if attempt.user.startswith("fails") else ACCEPTED, seconds)

    def waits(self, of: str = "") -> list[float]:
        """Seconds from the claim of an event to its POST, for users whose names begin with `of`."""
        dates = self.dated.dates
        return [each.at - dates[n] for each in self.api.attempts if each.user.startswith(of) for n in each.numbers]


def _strangers(events: int) -> list[str]:
    return [f"u{number}" for number in range(events)]


def _after(seconds: float, world: Callable[[], _Deep], then: Callable[[_Deep], None] | None = None) -> _Deep:
    """What a world has come to after some seconds, if something is done to it after one second."""

    async def live() -> _Deep:
        made = world()
        owning = asyncio.create_task(made.own())
        await asyncio.sleep(1.0)
        if then:
            then(made)
        await asyncio.sleep(seconds - 1.0)
        await made.kill(owning)
        return made

    return virtually(live(), seed=1)


def _drained(world: Callable[[], _Deep]) -> _Deep:
    async def live() -> _Deep:
        made = world()
        await made.run_until(lambda: made.idle, within=300.0)
        return made

    return virtually(live(), seed=1)


def _stuck(users: list[str]) -> _Deep:
    """The first claim, of 2,000 events, is answered after half a second, and no other; other commands are answered."""
    world = _Deep(users)
    asyncio.get_running_loop().call_later(_CLAIMING / 2, lambda: setattr(world, "claiming", _NEVER))
    return world


@pytest.mark.parametrize(("seconds", "is_sent"), [(2.4, False), (2.8, True)])
def test_groups_that_are_not_full_wait_until_the_buffer_is_nine_tenths_full(seconds: float, *, is_sent: bool) -> None:
    """That is after the fifth claim."""
    assert bool(_after(seconds, lambda: _Deep(_strangers(12_000))).api.attempts) is is_sent


def test_with_a_rate_limit_no_permit_is_left_unused() -> None:
    """From the end of the first claim and of the linger on."""
    world = _after(4.0, lambda: _Deep(_strangers(9_000), rate_limit=20))
    assert len(world.api.attempts) >= 20 * (4.0 - _CLAIMING - 0.25) - 1


def test_a_failing_user_who_owns_most_of_a_deep_list_does_not_keep_the_others_waiting() -> None:
    """What it has is spilled and never fills the buffer."""
    users = ["fails" if number % 10 else f"u{number}" for number in range(24_000)]
    world = _after(5.5, lambda: _Deep(users))
    assert world.list.waiting, "it is deep until the end"
    assert len(world.waits("u")) > 1_000
    assert max(world.waits("u")) < 2.0


def test_nobody_waits_longer_than_ten_seconds() -> None:
    """Redis gives 250 events a second, so the buffer will never be full. 64 POSTs go every 10 ms."""

    def slow() -> _Deep:
        world = _Deep(_strangers(5_000))
        world.claiming = 8.0
        return world

    waits = _after(22.0, slow).waits()
    assert len(waits) >= 2_000
    assert 9.9 < max(waits) < 10.4


def test_nobody_waits_longer_because_the_oldest_group_is_what_a_batch_left_over() -> None:
    """The user "slow" has 250 of the first events, and each of its POSTs takes 4 s. So after 8 s, 50 are left over."""
    after = _after(16.0, lambda: _stuck(["slow"] * 250 + _strangers(3_000)))
    assert len(after.waits("u")) == 1_750
    assert len(after.waits("slow")) == 250
    assert max(after.waits()) < 10.4


@pytest.mark.parametrize("fails", [False, True])
def test_nobody_waits_for_a_redis_that_does_not_answer(*, fails: bool) -> None:
    """Least of all once a user fails whose events would not fill the buffer."""
    users = [*_strangers(200), *(["fails"] * 1_800 if fails else _strangers(1_800)), *_strangers(1_000)]
    world = _after(12.0, lambda: _stuck(users))
    assert len(world.dated.dates) == 2_000
    assert len(world.waits("u")) == (200 if fails else 2_000)
    assert max(world.waits("u")) < (1.0 if fails else 10.4)


def test_light_users_are_served_among_heavy_ones() -> None:
    """The heavy ones always have full groups, so these never fill the buffer; one POST in ten is for a light user."""
    users = [f"heavy{number % 20}" for number in range(24_000)]
    users[1_000::2_000] = [f"light{number}" for number in range(12)]
    world = _drained(lambda: _Deep(users))
    assert len(world.waits("light")) == 12
    assert max(world.waits("light")) < 2.0


def test_nobody_waits_for_events_that_are_gone() -> None:
    """Somebody deletes the list."""
    world = _after(3.0, lambda: _Deep(_strangers(6_000)), then=lambda world: world.list.waiting.clear())
    assert len(world.waits()) == len(world.dated.dates) > 0


def test_nobody_waits_in_a_buffer_that_has_become_too_small_for_more() -> None:
    """The process has taken more lists, and divides its memory among them."""

    def shrink(world: _Deep) -> None:
        assert world.ownership
        world.ownership.bound(limits(world.settings, lists=10))

    world = _after(2.0, lambda: _stuck(_strangers(3_000)), then=shrink)
    assert len(world.waits()) > 1_000


@pytest.mark.parametrize(
    ("users", "others"),
    [
        (_strangers(200), {"max_buffered_events": 10}),
        (_strangers(200), {"max_buffered_events": 1}),
        (_strangers(200), {"max_buffered_bytes": 1_000}),
        (_strangers(500), {"max_events_per_post": 1}),
        (["u"] * 5_000 + _strangers(500), {"max_buffered_events": 1_000}),
        (["u", "v"] * 1_000, {"max_buffered_events": 100}),
    ],
)
def test_filling_first_does_not_delay_a_backlog(users: list[str], others: dict[str, object]) -> None:
    def ended(rate: float) -> float:
        def quick() -> _Deep:
            world = _Deep(users, rate_limit=rate, **others)
            world.claiming = 0.0
            return world

        return max(attempt.at for attempt in _drained(quick).api.attempts)

    assert ended(0) <= 1.1 * ended(_NO_FILLING) + 0.25
