"""Whether the owner of a list is gone, judged from its lease and from the workers that run."""

import pytest

from forwarder.queue.census import Census

TTL = 30.0


def census(seconds: float, lease: str | None = "abc-1") -> Census:
    return Census(1, 1, lease, int(seconds * 1_000), 1, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("seconds", "running", "orphan"),
    [
        (17.9, set(), True),
        (0.1, {"other"}, True),
        (17.9, {"abc"}, False),  # Redis was unavailable for 12 s
        (18.1, set(), False),  # it has just come, or has left meanwhile, or is of the version before
        (30.0, set(), False),
    ],
)
def test_an_owner_is_gone_if_it_does_not_report_and_has_not_renewed_its_lease(
    seconds: float, running: set[str], orphan: object
) -> None:
    assert census(seconds).is_orphan(running, TTL) is orphan


@pytest.mark.parametrize(("seconds", "lease"), [(-0.002, None), (-0.001, "abc-1"), (0.0, "abc-1")])
def test_without_a_lease_that_ends_there_is_no_owner_to_wait_for(seconds: float, lease: str | None) -> None:
    assert not census(seconds, lease).is_orphan(set(), TTL)
