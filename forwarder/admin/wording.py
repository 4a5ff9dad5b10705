"""The state in plain words: a title, a sentence, and what to do. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from forwarder.outcome import HaltReason
from forwarder.worker.condition import Readiness, State

#: If Redis has not answered for this many seconds, the page says so.
_STALE = 3.0
#: If the lists were counted this many seconds ago, the page says so. Counts of many lists may be 4.5 s old, or 6.5 s if
#: the process that counts has died.
_OUTDATED = 8.0
#: This many of the most frequent causes are named.
_CAUSES = 4

_TITLES = {
    HaltReason.CREDENTIALS: "Halted: the API refuses the key",
    HaltReason.MISDIRECTED: "Halted: this is not the API, or not a list of events",
    HaltReason.DEAD_LETTER_BRAKE: "Halted: most events were refused",
}
_KEPT = "Nothing is sent, and everything is kept in Redis."


@dataclass(frozen=True, slots=True)
class Said:
    """The state, for people. ``tone`` is good, calm (just wait), warn (the cause is elsewhere) or bad."""

    tone: str
    title: str
    sentence: str
    detail: str = ""
    remedy: str = ""


def said(readiness: Readiness, lease_ttl: float, unaccepted: str = "") -> Said:
    """The state. Title and sentence contain no changing number, because screen readers read them when they change.

    Args:
        readiness: what /readyz says.
        lease_ttl: seconds.
        unaccepted: what :func:`unaccepted` says.
    """
    if readiness.state == State.HALTED:
        return Said("bad", _title(readiness.reason), _KEPT, readiness.detail, readiness.remedy)
    if readiness.reason == "redis":
        sentence = "Nothing can be claimed or settled, so no POST starts. Nothing is lost."
        return Said("bad", "Redis is unavailable", sentence, readiness.detail, readiness.remedy)
    if readiness.reason == "defect":
        sentence = "Events go on, but this process does not know or show everything any more."
        return Said("bad", "A part of the service has failed", sentence, readiness.detail, readiness.remedy)
    match readiness.state:
        case State.DRAINING if unaccepted:
            sentence = "Events stay in Redis and are retried. The service recovers by itself when the API does."
            advice = "check whether the API has an outage, and whether this machine can reach it"
            return Said("warn", "Draining, but the API accepts nothing", sentence, unaccepted, advice)
        case State.DRAINING:
            return Said("good", "Draining", "This worker owns the list: it claims events and sends them.")
        case State.STANDING_BY:
            takes_over = f"If it stops or dies, this one takes over within {lease_ttl:g} seconds."
            return Said("calm", "Standing by", f"Another worker owns the list. {takes_over}")
        case State.STARTING:
            return Said("calm", "Starting", "This worker asks Redis for the list. This takes a moment.")
        case State.STOPPING:
            sentence = "POSTs in flight may finish. What is not settled stays claimed, and the next owner adopts it."
            return Said("calm", "Stopping", sentence)
    return Said("calm", readiness.state.capitalize(), "")


def _title(reason: str) -> str:
    try:
        return _TITLES[HaltReason(reason)]
    except (ValueError, KeyError):
        return "Halted"


def stale(redis_age: float | None, counted_age: float = 0.0) -> Iterator[str]:
    """A notice if what is shown is old.

    Args:
        redis_age: seconds since Redis answered last; None if it has never answered.
        counted_age: seconds since the lists were counted, by this process or another one.
    """
    if redis_age is None:
        yield "Redis has not answered since this worker started. What is in the queue is not known."
    elif redis_age > _STALE:
        yield f"Redis has not answered for {redis_age:.0f} s. The page shows the queue as it was then."
    elif counted_age > _OUTDATED:
        yield f"The lists were counted {counted_age:.0f} s ago, and not since. Perhaps a part of Redis does not answer."


def unbalanced(events: int) -> Iterator[str]:
    """A notice if the counts of claims, outcomes and dead letters disagree, by this many events."""
    if events:
        yield f"The counts of claims, outcomes and dead letters disagree by {events:,} events. Run `forwarder audit`."


def unaccepted(undecided: int, accepted: float | None, lately: Mapping[str, int]) -> str:
    """What the API answers while it accepts nothing, though there is something to accept; else empty.

    Args:
        undecided: events that wait or are claimed.
        accepted: events accepted per second in the last minute; None if unknown.
        lately: how often each answer came in the last minute.
    """
    if undecided and lately and not lately.get("202") and not accepted:
        return f"answers in the last minute: {causes(lately)}"
    return ""


def causes(counts: Mapping[str, float]) -> str:
    """The most frequent of these, with their numbers; empty if there are none."""
    ranked = sorted(((count, name) for name, count in counts.items() if count), reverse=True)
    return ", ".join(f"{name}: {count:,.0f}" for count, name in ranked[:_CAUSES])


def kept(letters: int, counted: int) -> str:
    """How many dead letters there are, and how many of them the counts by reason cover."""
    if not letters:
        return "none"
    return f"{letters:,} kept" + (f"; reasons of the latest {counted:,}" if counted < letters else "")
