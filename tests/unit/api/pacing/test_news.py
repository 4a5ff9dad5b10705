"""What the log says about outages, and the metric; on a virtual clock."""

import asyncio
import random
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.support.virtual.api import ACCEPTED, UNAVAILABLE, Attempt, Reply
from tests.support.virtual.pipeline import World, virtually

BEGINS = "the API accepts nothing; retrying, one POST at a time. Nothing is lost."
OVER = "the API answers again: the outage is over"


def said(is_down: Callable[[float], bool], *, seconds: float) -> tuple[list[EventDict], list[float]]:
    """The lines about outages, and the metric of each second, while new events come from 20 users all the time."""
    lines: list[EventDict] = []
    gauge: list[float] = []

    async def story() -> None:
        with capture_logs() as captured:
            await live()
        lines.extend(line for line in captured if line["event"] in (BEGINS, OVER))

    async def live() -> None:
        world = World(lambda attempt: answer(attempt, is_down), rate_limit=120, retry_max=5.0)
        owning = asyncio.create_task(world.own())
        for second in range(int(seconds)):
            world.push([f"u{random.randrange(20)}" for _ in range(10)])
            await asyncio.sleep(1.0)
            world.process.courier.pacer.granted(120.0, until=second + 10)
            world.process.courier.look()
            gauge.append(world.process.metrics.api_outage._value.get())
        await world.kill(owning)

    virtually(story(), seed=3)
    return lines, gauge


def answer(attempt: Attempt, is_down: Callable[[float], bool]) -> Reply:
    return Reply(UNAVAILABLE if is_down(attempt.at) else ACCEPTED)


def test_an_outage_has_one_line_when_it_begins_and_one_when_it_is_over() -> None:
    lines, gauge = said(lambda now: 20 < now < 80, seconds=120)
    assert [line["event"] for line in lines] == [BEGINS, OVER]
    assert [(line["log_level"], line["reason"]) for line in lines] == [("warning", "outage")] * 2
    assert (lines[0]["status"], lines[0]["for_seconds"]) == ("503", pytest.approx(6, abs=1))
    assert lines[1]["lasted_seconds"] == pytest.approx(62, abs=3)
    assert (gauge[24], gauge[28], gauge[78], gauge[95]) == (0, 1, 1, 0)


def test_three_seconds_of_trouble_are_no_outage() -> None:
    assert said(lambda now: now % 20 < 3, seconds=120) == ([], 120 * [0])


@pytest.mark.parametrize("well", [0.5, 4.0])
def test_an_outage_that_ends_and_begins_again_within_seconds_is_one(well: float) -> None:
    lines, gauge = said(lambda now: 20 < now < 200 and now % 20 >= well, seconds=240)
    assert [line["event"] for line in lines] == [BEGINS, OVER]
    assert lines[1]["lasted_seconds"] == pytest.approx(180, abs=10)
    assert sum(gauge) == pytest.approx(180, abs=10)


def test_an_api_that_accepts_one_post_in_a_hundred_does_not_flood_the_log() -> None:
    lines, _ = said(lambda now: now > 20 and random.random() > 0.01, seconds=300)
    assert 1 <= len(lines) <= 5
