"""Grouping, delivery and settlement under schedules of chance: pushes, answers, lost replies, kills, stops and halts.

A schedule takes milliseconds, as its clock is virtual; whatever it holds, the checker must find every promise kept.
"""

import asyncio
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from forwarder.api.answer import Answer, Declined, Meaning, Unanswered
from forwarder.worker.condition import Stopping
from tests.support.promises import check
from tests.support.virtual.api import ACCEPTED, MALFORMED, REFUSED, SWALLOWED, TOO_LARGE, UNAVAILABLE, Attempt, Reply
from tests.support.virtual.pipeline import World, virtually

_TROUBLES: dict[str, Answer | Reply] = {
    "unavailable": UNAVAILABLE,
    "pushed back": Declined(429, Meaning.TRANSIENT),
    "pushed back for long": Declined(429, Meaning.TRANSIENT, retry_after=30.0),
    "refused": REFUSED,
    "answer lost": SWALLOWED,
    "timeout": Reply(Unanswered("timeout", ambiguous=True), 10.0),
    "slow": Reply(ACCEPTED, 9.0),
    "unauthorized": Declined(401, Meaning.UNAUTHORIZED),
    "forbidden": Declined(403, Meaning.SUSPECT),
    "a portal": Declined(200, Meaning.SUSPECT),
}


@dataclass
class Schedule:
    """All that happens in one life of a list, and all that is settable."""

    seed: int
    #: Seconds since the push before, and for whom.
    pushes: list[tuple[float, list[str]]]
    bad: set[int]
    #: What the n-th POST meets; nothing where there is none.
    answers: dict[int, str]
    #: What the n-th command to Redis meets.
    commands: dict[int, str]
    #: Ownerships that end so, after so many seconds; the last one ends when all is done.
    ends: list[tuple[str, float]]
    #: Most events of a POST that the API takes.
    takes: int
    others: dict[str, object] = field(default_factory=dict)


_OTHERS = st.fixed_dictionaries(
    {
        "max_events_per_post": st.integers(1, 6),
        "max_buffered_events": st.sampled_from([1, 2, 5, 20, 1000]),
        "concurrency": st.integers(1, 4),
        "linger": st.sampled_from([0.0, 0.25]),
        "rate_limit": st.sampled_from([0.0, 5.0, 120.0]),
        "max_retry_age": st.just(1e6),
    }
)
_SCHEDULES = st.builds(
    Schedule,
    seed=st.integers(0, 2**32 - 1),
    pushes=st.lists(
        st.tuples(st.floats(0, 3), st.lists(st.sampled_from("abcde"), min_size=1, max_size=30)), min_size=1, max_size=6
    ),
    bad=st.sets(st.integers(0, 60), max_size=6),
    answers=st.dictionaries(st.integers(0, 40), st.sampled_from(sorted(_TROUBLES)), max_size=25),
    commands=st.dictionaries(st.integers(0, 60), st.sampled_from(["lost", "reply lost"]), max_size=8),
    ends=st.lists(st.tuples(st.sampled_from(["killed", "stopped"]), st.floats(0, 15)), max_size=4),
    takes=st.integers(1, 8),
    others=_OTHERS,
)


def _world(schedule: Schedule) -> World:
    def script(attempt: Attempt) -> Answer | Reply:
        trouble = schedule.answers.get(len(world.api.attempts) - 1)
        if trouble and not (trouble in ("answer lost", "slow") and _is_refused(attempt)):
            event(trouble)
            return _TROUBLES[trouble]
        if len(attempt.numbers) > schedule.takes:
            return TOO_LARGE
        return MALFORMED if _is_refused(attempt) else ACCEPTED

    def _is_refused(attempt: Attempt) -> bool:
        return len(attempt.numbers) > schedule.takes or not schedule.bad.isdisjoint(attempt.numbers)

    def trouble() -> str:
        return schedule.commands.get(next(commands), "")

    commands = count()
    world = World(script, **schedule.others)
    world.trouble = trouble
    return world


async def _push(world: World, schedule: Schedule) -> None:
    for pause, users in schedule.pushes:
        await asyncio.sleep(pause)
        world.push(users)


async def _live(schedule: Schedule) -> None:
    world = _world(schedule)
    pushing = asyncio.create_task(_push(world, schedule))
    for how, after in schedule.ends:
        stopping = Stopping(asyncio.Event(), asyncio.Event())
        owning = asyncio.create_task(world.own(stopping))
        await asyncio.sleep(after)
        event(how)
        if how == "killed":
            await world.kill(owning)
        else:
            stopping.orderly.set()
            await owning
    while not (pushing.done() and world.idle):  # again after each halt: somebody has resumed it
        await world.run_until(lambda: pushing.done() and world.idle, within=3_000)
    bad = {number: "rejected" for number in schedule.bad if number < world.list.pushed}
    verdict = check(world.history(bad))
    assert not verdict.faults, verdict.faults
    assert len(world.list.letters) == len(bad)
    assert len(world.list.accepted) + len(bad) == world.list.pushed


@settings(max_examples=60)
@given(schedule=_SCHEDULES)
def test_whatever_happens_every_promise_is_kept(schedule: Schedule) -> None:
    virtually(_live(schedule), seed=schedule.seed)


@pytest.mark.long
@settings(max_examples=400)
@given(schedule=_SCHEDULES)
def test_whatever_else_happens_every_promise_is_kept(schedule: Schedule) -> None:
    virtually(_live(schedule), seed=schedule.seed)
