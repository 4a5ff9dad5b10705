"""Since when the API has accepted and refused nothing, and why."""

import asyncio

import pytest

from forwarder.api.answer import Answer, Declined, Meaning, Registered, Unanswered, meaning
from forwarder.api.pacing.permits import Permit, Signal
from forwarder.api.pacing.silence import Silences
from forwarder.queue.about import Silence
from tests.support.virtual.api import ACCEPTED, Reply
from tests.support.virtual.crowd import asked, granted, pacer
from tests.support.virtual.pipeline import World, virtually

TIMED_OUT = Unanswered("timeout", ambiguous=True)


def answered(status: int) -> Answer:
    what = meaning(status)
    return Registered(status) if what is None else Declined(status, what, is_object=True)


def test_it_begins_with_the_first_post_that_fails_and_not_with_the_last_good_answer() -> None:
    silences = Silences()
    silences.answered(10.0)
    silences.failed("a", "503", started=3_600.0)
    silences.failed("b", "timeout", started=3_601.0)
    assert (silences.since, silences.cause) == (3_600.0, "timeout")


def test_a_post_that_began_before_another_one_was_answered_well_begins_no_earlier_silence() -> None:
    silences = Silences()
    silences.answered(10.0)
    silences.failed("slow", "timeout", started=5.0)
    assert silences.since == 10.0


def test_three_users_and_five_seconds_make_an_outage() -> None:
    silences = Silences()
    for user in "aabab":
        silences.failed(user, "503", started=0.0)
    assert not silences.is_outage(1_000.0), "two users may have trouble of their own"
    silences.failed("c", "503", started=900.0)
    assert silences.is_outage(5.0)
    assert not silences.is_outage(4.9)
    silences.answered(1_001.0)
    assert not silences.is_outage(1_001.0)


@pytest.mark.virtual_time
async def test_the_next_try_is_the_end_of_the_pause_or_of_a_retry_after() -> None:
    paced, clock = pacer(), asyncio.get_running_loop().time
    permits: list[Permit] = [await paced.permit() for _ in range(4)]
    assert paced.silence(clock()) is None
    for permit, user in zip(permits[:3], "abc", strict=True):
        paced.returned(permit, user, Signal.TROUBLE, cause="503")
    silence = paced.silence(clock())
    assert silence is not None
    assert silence.next_try == 0.0, "the fourth POST is under way"
    paced.returned(permits[3], "d", Signal.PUSHBACK, 30.0, cause="429")
    silence = paced.silence(clock())
    assert silence is not None
    assert (silence.cause, silence.next_try) == ("429", None), "nobody wants to POST"
    waiting = asked(paced)
    assert not await granted(waiting, within=0.2)
    silence = paced.silence(clock())
    assert silence is not None
    assert silence.next_try == pytest.approx(0.3, abs=0.01)
    waiting.cancel()


@pytest.mark.parametrize("status", [400, 413, 404, 451])
def test_an_answer_that_decides_ends_it(status: int) -> None:
    """At an address that is known to be the API's, 404 and 451 refuse a user's events."""

    async def story() -> None:
        world = World(lambda attempt: answered(status) if attempt.user == "refused" else Reply(TIMED_OUT, 10.0))
        world.process.courier._judge.doubts.accepted()
        pacer = world.process.courier.pacer
        world.push(["waiting"])
        owning = asyncio.create_task(world.own())
        await asyncio.sleep(12)
        silences.append(pacer.silence(world.clock()))
        world.push(["refused"])
        await asyncio.sleep(0.5)
        silences.append(pacer.silence(world.clock()))
        await world.kill(owning)

    silences: list[Silence | None] = []
    virtually(story(), seed=1)
    assert silences[0] is not None
    assert (silences[0].cause, silences[1]) == ("timeout", None)


@pytest.mark.parametrize(("status", "cause"), [(403, "403"), (404, "404"), (408, "408"), (302, "302"), (299, "other")])
def test_an_answer_that_decides_nothing_does_not_end_it(status: int, cause: str) -> None:
    """Here the address is not known to be the API's, so a 404 refuses nothing."""
    seen: list[Silence | None] = []

    async def story() -> None:
        world = World(lambda attempt: answered(status) if attempt.user == "u1" else Reply(TIMED_OUT, 10.0))
        world.push(["u1", "u2"])

        def watched() -> bool:
            seen.append(world.process.courier.pacer.silence(world.clock()))
            return world.clock() > 9

        await world.run_until(watched, within=20)

    virtually(story(), seed=1)
    last = seen[-1]
    assert last is not None
    assert (last.cause, last.outage) == (cause, False)
    assert 8 < last.seconds < 10


def test_what_is_not_tried_any_more_is_no_silence() -> None:
    """A worker that gave its lists back, or halted, waits for no answer."""
    silences: list[Silence | None] = []

    async def story() -> None:
        world = World(lambda _: Declined(503, Meaning.TRANSIENT))
        world.push(["u1", "u2", "u3", "u4"])
        owning = asyncio.create_task(world.own())
        await asyncio.sleep(20)
        pacer = world.process.courier.pacer
        silences.append(pacer.silence(world.clock()))
        await world.kill(owning)
        silences.append(pacer.silence(world.clock()))
        world.api.script = lambda _: ACCEPTED
        await world.run_until(lambda: world.idle, within=100)

    virtually(story(), seed=1)
    assert silences[0] is not None
    assert (silences[0].outage, silences[0].cause, silences[1]) == (True, "503", None)
