"""What `forwarder retry` says will happen."""

import pytest

from forwarder.operations.retry import Requested
from forwarder.queue.halts import HaltRecord

HALT = HaltRecord("credentials", "", "", "key")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Requested(1), "1 worker tries now."),
        (Requested(2), "2 workers try now."),
        (Requested(2, standbys=1), "2 workers try now, 1 stands by."),
        (Requested(1, standbys=3, halted=1), "1 worker tries now, 3 stand by, 1 is halted."),
        (Requested(0, standbys=1), "No worker tries now: none owns a list. 1 stands by."),
        (Requested(0, halted=2), "No worker tries now: none owns a list. 2 are halted."),
        (Requested(0), "No worker is running, so nothing is tried. Start one: `forwarder run`"),
        (
            Requested(0, halted=1, halt=HALT),
            "The service is halted (credentials), so nothing is tried. Fix the cause, then run `forwarder resume`.",
        ),
    ],
)
def test_it_says_how_many_try_and_what_the_others_do(found: Requested, said: str) -> None:
    assert found.sentence == said
