"""What the log says while Redis is unavailable: that it is, why if that changes, and that it is no longer."""

from itertools import count, cycle, islice

from structlog.testing import capture_logs

from forwarder.errors import DeniedError, UnreachableError
from forwarder.metrics import Metrics
from forwarder.pipeline.availability import Availability


def test_a_problem_is_logged_when_it_begins_when_its_cause_changes_and_when_it_is_over() -> None:
    hours = count(step=3_600.0)
    here = Availability(Metrics(), "events", clock=lambda: next(hours))
    with capture_logs() as lines:
        for error in ("closed the connection", "refused the connection", "refused the connection"):
            here.failed(UnreachableError(error))
        here.served()
        here.served()
        here.failed(DeniedError("may not run this", remedy="Give it the right"))
    assert [(line["event"].partition(";")[0], line.get("error"), line.get("remedy")) for line in lines] == [
        ("Redis is unavailable", "closed the connection", UnreachableError.remedy),
        ("Redis is unavailable", "refused the connection", UnreachableError.remedy),
        ("Redis is available again", None, None),
        ("Redis is unavailable", "may not run this", "Give it the right"),
    ]
    assert here.problem == ("may not run this", "Give it the right")


def test_causes_that_alternate_for_a_night_fill_no_page_and_the_last_one_is_named() -> None:
    seconds = 0.0
    here = Availability(Metrics(), "events", clock=lambda: seconds)
    with capture_logs() as lines:
        for cause in islice(cycle(("closed the connection", "is loading", "is busy")), 8 * 3_600):
            seconds += 1.0
            here.failed(UnreachableError(cause))
        assert 3 < len(lines) < 120
        for _ in range(600):
            seconds += 1.0
            here.failed(UnreachableError("asks for a password"))
    assert lines[-1]["error"] == "asks for a password"


def test_a_hundred_lists_with_the_same_causes_log_one_line_for_each_cause() -> None:
    kinds = set()
    for cause in ("closed the connection", "is loading"):
        for number in range(100):
            with capture_logs() as lines:
                Availability(Metrics(), f"events:{number}").failed(UnreachableError(cause))
            kinds.add(lines[0]["repeats"])
    assert kinds == {"closed the connection", "is loading"}
