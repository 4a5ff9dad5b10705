"""The words for what a service or a worker does while nothing keeps it from its work."""

from forwarder.diagnosis.facts import Facts
from forwarder.diagnosis.finding import Finding
from forwarder.diagnosis.spans import about


def state(facts: Facts) -> Finding:
    """What the service does, if nothing keeps it from its work."""
    own = facts.own
    if own is not None and own.state == "standing by":
        takes_over = f"If it stops or dies, this one takes over within {facts.setup.lease_ttl:g} seconds."
        return Finding("standing_by", "calm", "Standing by", f"Another worker owns the list. {takes_over}")
    if own is not None and own.state not in ("delivering", "halted"):
        return of_worker(own.state)
    if facts.backlog == 0:
        return Finding("idle", "good", "Idle", "Every event is delivered or decided. The service waits for more.")
    to_go = facts.trend.to_go
    ends = f"The backlog is gone in {about(to_go)}." if to_go else ""
    return Finding("delivering", "good", "Delivering", "Events are claimed and sent to the API.", ends)


#: What a worker does, by its state.
_STATES = {
    "starting": ("starting", "calm", "Starting", "This worker asks Redis for the list. This takes a moment."),
    "standing by": ("standing_by", "calm", "Standing by", "Another worker owns the list."),
    "delivering": ("delivering", "good", "Delivering", "Events are claimed and sent to the API."),
    "stopping": (
        "stopping",
        "calm",
        "Stopping",
        "POSTs in flight may finish. What is not settled stays claimed, and the next owner adopts it.",
    ),
    "stopped": ("stopped", "calm", "Stopped", "This worker has stopped."),
}


def of_worker(state: str) -> Finding:
    return Finding(*_STATES.get(state, (state, "calm", state.capitalize(), "")))
