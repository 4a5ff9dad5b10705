"""One user or two, whatever the API answers for them, neither halt nor slow the others: on a virtual clock."""

import asyncio
import random

import pytest

from forwarder.api.answer import Answer, Declined, Meaning, Unanswered
from tests.support.faults import fault
from tests.support.virtual.api import ACCEPTED, LATENCY, Attempt, Reply
from tests.support.virtual.pipeline import World, virtually

SEED = random.SystemRandom().randrange(2**32)
RATE = 40
SECONDS, LONGER = 10, 40

ANSWERS: dict[str, Answer | Reply] = {
    "429 for ten minutes": Declined(429, Meaning.TRANSIENT, 600.0),
    "429": Declined(429, Meaning.TRANSIENT),
    "503 for ten minutes": Declined(503, Meaning.TRANSIENT, 600.0),
    "503": Declined(503, Meaning.TRANSIENT),
    "a timeout": Reply(Unanswered("timeout", ambiguous=True), 10.0),
    "a reset": Unanswered("reset", ambiguous=True),
    "403": Declined(403, Meaning.SUSPECT),
    "302": Declined(302, Meaning.SUSPECT),
    "404": Declined(404, Meaning.NO_SUCH_ADDRESS),
    "400": Declined(400, Meaning.MALFORMED),
    "413": Declined(413, Meaning.TOO_LARGE),
    "451": Declined(451, Meaning.ERASED),
    "400 in HTML": Declined(400, Meaning.MALFORMED, is_object=False),
    "what cannot be parsed": Unanswered("unreadable", ambiguous=True),
}

#: Answers that lower how many POSTs go at once, or in a second, if enough users get them.
TROUBLE: dict[str, Answer] = {
    "503": Declined(503, Meaning.TRANSIENT),
    "429": Declined(429, Meaning.TRANSIENT),
}
#: Answers that come at once and end an event.
AT_ONCE: dict[str, Answer] = {
    "202": ACCEPTED,
    "400": Declined(400, Meaning.MALFORMED),
    "404": Declined(404, Meaning.NO_SUCH_ADDRESS),
    "413": Declined(413, Meaning.TOO_LARGE),
}


@pytest.mark.parametrize("what", ANSWERS)
@fault(
    "API",
    "one user gets 429 with `Retry-After: 600`, 5xx, 403, 404, 302, 413, or no answer; all others get 202",
    "the other users are served at full speed; nothing halts",
    keeps=(1, 2),
)
def test_one_user_neither_halts_nor_slows_the_others(what: str) -> None:
    def script(attempt: Attempt) -> Answer | Reply:
        # Every hundredth of the others is malformed, as in everyday life.
        if attempt.user == "failing":
            return ANSWERS[what]
        return Declined(400, Meaning.MALFORMED) if attempt.numbers[0] % 100 == 1 else ACCEPTED

    async def story() -> None:
        world = World(script, rate_limit=RATE, linger=0.0)
        world.push(["failing"] * 2 + [f"u{number}" for number in range(2 * SECONDS * RATE)])
        producing = asyncio.create_task(_push_steadily(world))
        owning = asyncio.create_task(world.own())
        await asyncio.wait({owning}, timeout=SECONDS)
        assert not owning.done(), "halted"
        others = [attempt for attempt in world.api.attempts if attempt.user != "failing"]
        assert len(world.api.attempts) > len(others) >= 0.93 * RATE * (SECONDS - LATENCY)
        assert world.process.courier.pacer.limit == world.settings.concurrency
        producing.cancel()
        await world.kill(owning)

    virtually(story(), seed=SEED)


@pytest.mark.parametrize("room", [1_000, 100_000])
@pytest.mark.parametrize("what", AT_ONCE)
@fault(
    "API",
    "400 or 413 for each of two users' thousands of events, at once",
    "the other users get most of the rate, also if the buffer holds fewer events than that",
    keeps=(2,),
)
def test_the_backlog_of_two_users_leaves_most_of_the_rate_to_the_others(what: str, room: int) -> None:
    quick = 0.02

    def script(attempt: Attempt) -> Reply:
        return Reply(AT_ONCE[what] if attempt.user.startswith("many") else ACCEPTED, quick)

    async def story() -> None:
        world = World(script, rate_limit=RATE, linger=0.0, max_buffered_events=room)
        world.push(["first"])
        owning = asyncio.create_task(world.own())
        await asyncio.sleep(1.0)
        world.push([f"many{number % 2}" for number in range(4_000)])
        world.push([f"u{number}" for number in range(2 * SECONDS * RATE)])
        await asyncio.wait({owning}, timeout=SECONDS)
        assert not owning.done(), "halted"
        others = [attempt for attempt in world.api.attempts if attempt.user.startswith("u")]
        assert len(others) >= 0.75 * RATE * SECONDS
        await world.kill(owning)

    virtually(story(), seed=SEED)


async def _push_steadily(world: World) -> None:
    while True:
        world.push(["failing"] * 2)
        await asyncio.sleep(1.0)


@pytest.mark.parametrize("what", TROUBLE)
@fault(
    "API",
    "every second POST of two users, and every 200th of the others, is answered 503, or 429",
    "the other users are served at nearly full speed",
    keeps=(2,),
)
def test_two_users_slow_nobody_down_together_with_a_little_everyday_trouble(what: str) -> None:
    def script(attempt: Attempt) -> Answer | Reply:
        often = attempt.user.startswith("often")
        troubled = random.random() < (0.5 if often else 0.005)
        return Reply(TROUBLE[what] if troubled else ACCEPTED, 0.05 if often else 0.5)

    async def story() -> None:
        world = World(script, rate_limit=RATE, linger=0.0, max_events_per_post=10)
        world.push([f"u{number}" for number in range(2 * LONGER * RATE)])
        owning = asyncio.create_task(world.own())
        for _ in range(10 * LONGER):
            world.push(["often0", "often1"] * 5)
            await asyncio.sleep(0.1)
        others = [attempt for attempt in world.api.attempts if attempt.user.startswith("u")]
        assert len(others) >= 0.8 * RATE * LONGER
        await world.kill(owning)

    virtually(story(), seed=SEED)
