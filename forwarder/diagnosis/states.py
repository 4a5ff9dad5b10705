"""The words for what a service or a worker does while nothing keeps it from its work."""

import shlex

from forwarder.diagnosis.facts import Facts
from forwarder.diagnosis.finding import Finding
from forwarder.diagnosis.spans import about

_EXAMPLE = '{"user_id":"u-1","name":"visit"}'
#: A backlog that is decided in less than this many seconds does not grow, it is under way. At 1,200 events a second
#: and a tenth of a second for a POST, 120 events are always claimed.
_KEEPS_UP = 10.0
#: A backlog grows from this many events per second on, and from the second number on decimals say nothing.
_GROWS, _IN_FULL = 0.1, 10.0


def state(facts: Facts) -> Finding:
    """What the service does, if nothing keeps it from its work."""
    own = facts.own
    if own is not None and own.state == "standing by":
        takes_over = f"If it stops or dies, this one takes over within {facts.setup.lease_ttl:g} seconds."
        return Finding("standing_by", "calm", "Standing by", f"Another worker owns the list. {takes_over}")
    if own is not None and own.state not in ("delivering", "halted"):
        return of_worker(own.state)
    if facts.backlog == 0 and facts.untouched:
        push = f"echo '{_EXAMPLE}' | FORWARDER_QUEUE={shlex.quote(facts.setup.queue)} forwarder push"
        step = f"Push one for a test user, from a shell with the settings of the service: `{push}`"
        return Finding(
            "idle",
            "good",
            "Idle: nothing has been pushed yet",
            "The service is ready, and waits for the first event.",
            "",
            (step,),
        )
    if facts.is_idle:
        return Finding("idle", "good", "Idle", "Nothing is left to send. The service waits for new events.")
    to_go = facts.trend.to_go
    ends = f"The backlog is gone in {about(to_go)}." if to_go else ""
    return Finding("delivering", "good", "Delivering", "Events are claimed and sent to the API.", ends)


def outlook(facts: Facts) -> str:
    """Whether the backlog goes down, and how long that takes; empty if that is unknown."""
    trend = facts.trend
    if not facts.backlog:
        return "" if facts.backlog is None else "nothing waits"
    if trend.to_go:
        return f"gone in {about(trend.to_go)}"
    if trend.turnover is not None and trend.turnover < _KEEPS_UP:
        return "keeping up"
    if trend.burst:
        return "events were just pushed"
    if trend.pushed is None or trend.accepted is None:
        return ""
    growth = trend.pushed + (trend.replayed or 0.0) - trend.accepted - (trend.refused or 0.0)
    if growth < _GROWS:
        return "not going down"
    return f"growing by {growth:,.0f}/s" if growth >= _IN_FULL else f"growing by {growth:.1f}/s"


#: What a worker does, by its state.
_STATES = {
    "starting": ("starting", "calm", "Starting", "This worker asks Redis for the list. This takes a moment."),
    "standing by": ("standing_by", "calm", "Standing by", "Another worker owns the list."),
    "delivering": ("delivering", "good", "Delivering", "Events are claimed and sent to the API."),
    "stopping": (
        "stopping",
        "calm",
        "Stopping",
        "POSTs in flight may finish. All other events stay in Redis, and the next owner takes over.",
    ),
    "stopped": ("stopped", "calm", "Stopped", "This worker has stopped."),
}


def of_worker(state: str) -> Finding:
    return Finding(*_STATES.get(state, (state, "calm", state.capitalize(), "")))
