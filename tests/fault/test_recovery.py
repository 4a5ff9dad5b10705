"""Users who fail and recover together bring no more into memory than there is room for, and none of them gets stuck."""

import random

import pytest

from forwarder.api.answer import Answer, Declined, Meaning
from tests.support.faults import fault
from tests.support.promises import check
from tests.support.virtual.api import ACCEPTED, TOO_LARGE, Attempt, Reply
from tests.support.virtual.pipeline import World, virtually

SEED = random.SystemRandom().randrange(2**32)
#: Seconds for which POSTs fail.
TROUBLE = 100.0
#: A failure that does not lower how many POSTs go at once.
LATER = Declined(408, Meaning.TRANSIENT)


class Watched:
    """A world whose API fails for all users, and the most that its buffer held during a POST."""

    def __init__(self, *, failing: float, **others: object) -> None:
        self._failing = failing
        self.events = self.bytes = self.spilled = 0
        self.world = World(self._answer, rate_limit=0, max_retry_age=3_600, retry_max=5.0, **others)

    def _answer(self, attempt: Attempt) -> Reply:
        assert self.world.ownership is not None
        space = self.world.ownership._stock._buffer.space
        self.events, self.bytes = max(self.events, space.events), max(self.bytes, space.bytes)
        self.spilled = max(self.spilled, space.spilled)
        answer: Answer = ACCEPTED
        if attempt.at < TROUBLE and random.random() < self._failing:
            answer = TOO_LARGE if len(attempt.numbers) > 1 and random.random() < 0.1 else LATER
        return Reply(answer, random.uniform(0.1, 5.0))


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("limits", [(1, 1_000), (30, 4_000)])
@fault(
    "API",
    "it fails for all users for minutes and recovers, with buffers that hold less than one POST, or a few",
    "everything is sent, in order; what is read back waits for room",
    keeps=(1, 2, 7),
)
def test_users_who_fail_and_recover_together_all_finish_in_any_buffer(
    limits: tuple[int, int], concurrency: int
) -> None:
    events, size = limits

    async def story() -> None:
        watched = Watched(
            failing=0.9,
            max_buffered_events=events,
            max_buffered_bytes=size,
            max_events_per_post=10,
            max_body_bytes=2_000,
            max_event_bytes=1_000,
            concurrency=concurrency,
        )
        world = watched.world
        for _ in range(40):
            world.push(random.choices([f"u{user}" for user in range(40)], k=15), size=random.randrange(600))
        await world.run_until(lambda: world.clock() > TROUBLE / 2, within=TROUBLE)
        await world.run_until(lambda: world.idle, within=20 * TROUBLE)
        verdict = check(world.history())
        assert not verdict.faults, verdict.faults
        assert world.list.letters == []
        assert watched.spilled > 0
        print(f"{watched.events} of {events} events, {watched.bytes:,} of {size:,} bytes, {watched.spilled} spilled")
        assert watched.events <= events * 9 / 8 + 10, "the reserve, or one batch"
        assert watched.bytes <= size * 9 / 8 + 2_000 + 1_000, "the reserve, or one batch; and the rest of one event"

    virtually(story(), seed=SEED)


def test_users_who_recover_at_once_are_read_back_in_turn() -> None:
    limit = 8_000

    async def story() -> None:
        watched = Watched(failing=1.0, max_buffered_bytes=limit, max_body_bytes=2_000, max_event_bytes=1_000)
        world = watched.world
        world.push([f"u{user}" for _ in range(40) for user in range(60)], size=100)
        await world.run_until(lambda: world.idle, within=20 * TROUBLE)
        assert not check(world.history()).faults
        print(f"{watched.bytes:,} of {limit:,} bytes, {watched.spilled} spilled")
        assert watched.spilled > 2_000, "nearly all of them"
        assert watched.bytes <= limit * 9 / 8 + 2_000 + 1_000

    virtually(story(), seed=SEED)
