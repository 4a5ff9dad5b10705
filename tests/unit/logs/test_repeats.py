"""What happens a thousand times is said once, and counted."""

import structlog
from structlog.typing import EventDict

from forwarder.logs.repeats import PERIOD, Repeated, Repeats
from tests.support.simulator_client import Clock


class Log:
    """A logger whose first processor counts repetitions; keeps what gets past it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.repeats = Repeats(self.clock)
        self.written: list[tuple[str, EventDict]] = []
        self._logger = structlog.wrap_logger(
            None, processors=[self.repeats, self._write], wrapper_class=structlog.make_filtering_bound_logger(0)
        )

    def _write(self, _: object, level: str, event: EventDict) -> EventDict:
        self.written.append((level, event))
        raise structlog.DropEvent

    def info(self, text: str, **members: object) -> None:
        self._logger.info(text, **members)

    def warning(self, text: str, **members: object) -> None:
        self._logger.warning(text, **members)


def test_a_line_that_does_not_say_that_it_repeats_is_always_written() -> None:
    log = Log()
    for _ in range(3):
        log.info("listening", status="503")
        log.info("listening", status="503", repeats=False)
    assert log.written == [("info", {"event": "listening", "status": "503"})] * 6


def test_the_first_line_of_each_status_is_written_whole_and_the_rest_is_dropped() -> None:
    log = Log()
    for status in ["503"] * 1_000 + ["reset"] * 3:
        log.info("POST not accepted", status=status, events=7, repeats=True)
    assert log.written == [
        ("info", {"event": "POST not accepted", "status": "503", "events": 7}),
        ("info", {"event": "POST not accepted", "status": "reset", "events": 7}),
    ]
    assert log.repeats.pending() == []
    log.clock.now += PERIOD
    assert log.repeats.pending() == [
        Repeated("POST not accepted", "503", 999, PERIOD),
        Repeated("POST not accepted", "reset", 2, PERIOD),
    ]


def test_kinds_may_be_told_apart_by_something_else() -> None:
    log = Log()
    for kind in ("invalid", "rejected 400", "rejected 400", "rejected 404"):
        log.warning("event dead-lettered", status="x", repeats=kind)
    assert len(log.written) == 3
    assert log.repeats.pending(at_once=True) == [Repeated("event dead-lettered", "rejected 400", 1, 0.0, "warning")]


def test_the_number_is_written_in_the_place_of_the_next_line_once_the_period_is_over() -> None:
    log = Log()
    for _ in range(5):
        log.warning("a", status="x", more=1, repeats=True)
    log.clock.now += PERIOD + 2
    log.warning("a", status="x", more=1, repeats=True)
    counted = {"event": "more of the same", "line": "a", "status": "x", "times": 5, "in_seconds": PERIOD + 2}
    assert log.written[1:] == [("warning", counted)]
    log.warning("a", status="x", more=1, repeats=True)
    assert len(log.written) == 2, "its number has just been written"
    assert [each.times for each in log.repeats.pending(at_once=True)] == [1]


def test_what_has_ended_is_written_again_whether_or_not_somebody_asks_what_is_pending() -> None:
    for asks in (True, False):
        log = Log()
        log.info("a", status="x", repeats=True)
        log.clock.now += PERIOD
        if asks:
            assert log.repeats.pending() == []
        log.info("a", status="x", repeats=True)
        assert [event["event"] for _, event in log.written] == ["a", "a"]


def test_what_goes_on_is_counted_on() -> None:
    log = Log()
    for _ in range(2):
        log.info("a", repeats=True)
    for _ in range(3):
        log.clock.now += PERIOD
        assert [each.times for each in log.repeats.pending()] == [1]
        log.info("a", repeats=True)
    assert len(log.written) == 1
