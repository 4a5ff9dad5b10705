"""What the log says while Redis is unavailable: once that it is, and once that it is no longer."""

from structlog.testing import capture_logs

from forwarder.errors import DeniedError, UnreachableError
from forwarder.metrics import Metrics
from forwarder.pipeline.availability import Availability


def test_a_problem_is_logged_when_it_begins_when_the_remedy_changes_and_when_it_is_over() -> None:

    here = Availability(Metrics(), "events")
    with capture_logs() as lines:
        for error in ("closed the connection", "refused the connection", "refused the connection"):
            here.failed(UnreachableError(error))
        here.failed(DeniedError("may not run this", remedy="Give it the right"))
        here.served()
        here.served()
    assert [(line["event"].partition(";")[0], line.get("error"), line.get("remedy")) for line in lines] == [
        ("Redis is unavailable", "closed the connection", UnreachableError.remedy),
        ("Redis is unavailable", "may not run this", "Give it the right"),
        ("Redis is available again", None, None),
    ]
    assert here.problem is None
