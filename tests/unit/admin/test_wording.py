"""The status page says the state in plain words, and what to do."""

import pytest

from forwarder.admin import wording as words
from forwarder.outcome import HaltReason, remedy
from forwarder.worker.condition import Readiness, State


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_title_and_a_sentence(state: State) -> None:
    said = words.said(Readiness(ready=False, state=state), 30)
    assert said.title
    assert said.sentence or state is State.STOPPED
    assert said.tone == {"draining": "good", "halted": "bad"}.get(state, "calm")


@pytest.mark.parametrize("reason", HaltReason)
def test_every_halt_has_a_title_of_its_own_the_detail_and_what_to_do(reason: HaltReason) -> None:
    said = words.said(Readiness(ready=False, state="halted", reason=reason, detail="why", remedy=remedy(reason)), 30)
    assert said.title.startswith("Halted: ")
    assert (said.detail, said.remedy) == ("why", remedy(reason))


def test_a_halt_that_somebody_else_wrote_is_a_halt() -> None:
    said = words.said(Readiness(ready=False, state="halted", reason="tuesday"), 30)
    assert (said.tone, said.title) == ("bad", "Halted")


@pytest.mark.parametrize("state", [State.STARTING, State.STANDING_BY, State.DRAINING])
def test_a_redis_that_does_not_serve_comes_before_the_rest(state: State) -> None:
    said = words.said(Readiness(ready=False, state=state, reason="redis", detail="LOADING"), 30)
    assert (said.tone, said.title, said.detail) == ("bad", "Redis is unavailable", "LOADING")


@pytest.mark.parametrize("state", [State.STANDING_BY, State.DRAINING])
def test_a_part_that_has_failed_is_never_shown_as_well(state: State) -> None:
    said = words.said(Readiness(ready=False, state=state, reason="defect", detail="the monitor has failed"), 30)
    assert (said.tone, said.detail) == ("bad", "the monitor has failed")


def test_notices_speak_only_of_what_is_wrong() -> None:
    assert not [*words.stale(0.5, 6.9), *words.unbalanced(0)]
    assert "counted 9 s ago" in next(words.stale(0.5, 9.3))
    assert "12 s" in next(words.stale(12.3))
    assert "not known" in next(words.stale(None))
    assert "1,234 events" in next(words.unbalanced(1234))


@pytest.mark.parametrize(
    ("undecided", "accepted", "lately", "speaks"),
    [
        (10, 0.0, {"503": 1_234, "timeout": 2}, True),
        (10, None, {"503": 3}, True),
        (0, 0.0, {"503": 3}, False),
        (10, 5.0, {"503": 3}, False),
        (10, None, {"202": 1, "503": 3}, False),
        (10, 0.0, {}, False),
    ],
)
def test_an_api_that_accepts_nothing_is_told(
    undecided: int,
    accepted: float | None,
    lately: dict[str, int],
    speaks: bool,  # noqa: FBT001
) -> None:
    said = words.unaccepted(undecided, accepted, lately)
    assert bool(said) is speaks
    assert not speaks or "503: " in said


def test_an_owner_whose_api_accepts_nothing_is_not_shown_as_well() -> None:
    said = words.said(Readiness(ready=True, state="draining"), 30, "answers in the last minute: 503: 9")
    assert (said.tone, said.title) == ("warn", "Draining, but the API accepts nothing")
    assert "503" in said.detail
    assert words.said(Readiness(ready=True, state="standing by"), 30, "503").title == "Standing by"
