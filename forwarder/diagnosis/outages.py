"""The words for an API that accepts nothing: what happened, and what to look at first, by the cause."""

from forwarder.diagnosis.finding import Finding
from forwarder.diagnosis.spans import span
from forwarder.queue.about import Silence

#: An outage that lasts no longer than this many seconds is not shown: one bad second must not turn a page amber.
_SHOWN_AFTER = 5.0

#: What to look at first, by the cause of the latest failure; {api} is the address.
_STEPS = {
    "dns": "Check the host name in `FORWARDER_API_URL` ({api}) and the name servers of this machine.",
    "tls": "Check the certificate of {api}, and whether something on the way replaces it: `forwarder check`",
    "refused": "Check `FORWARDER_API_URL` ({api}): nothing listens there, or a firewall refuses the connection.",
    "reset": "Check the network to {api}: connections are cut.",
    "timeout": "Check the network to {api}: nothing answers in time.",
    "unreachable": "Check the network of this machine: {api} cannot be reached.",
    "proxy": "Check `FORWARDER_API_PROXY` and its password, and whether the proxy reaches {api}: `forwarder check`",
    "no_socket": "Give the process more file descriptors or memory: it cannot open a connection.",
    "unreadable": "Check `FORWARDER_API_URL` ({api}): what answers there does not speak HTTP.",
    "429": "Look for another client that uses up the API's rate, or lower `FORWARDER_RATE_LIMIT` and restart.",
}
_API_HAS_TROUBLE = "Look at the vendor's status page: the API answers with errors."
_BY_ITSELF = (
    "When the cause is gone, the service continues by itself at the next try. To try at once: `forwarder retry`"
)


def outage(silence: Silence, api: str = "", *, only: str = "") -> Finding | None:
    """An API that accepts nothing, for people; None while it is too early to say so.

    Args:
        silence: what the workers have seen.
        api: the address of the API; empty if that is not known.
        only: which workers it concerns, if it does not concern all.
    """
    if silence.seconds < _SHOWN_AFTER:
        return None
    waits = "" if silence.next_try is None else f" Next try {_when(silence.next_try)}."
    detail = f"The API has accepted nothing for {span(silence.seconds)} ({silence.cause}).{waits}"
    step = _STEPS.get(silence.cause, _API_HAS_TROUBLE).format(api=api or "the API")
    if not silence.outage:
        return Finding(
            "silent",
            "warn",
            "The latest POSTs failed",
            "So far they were of one or two users, so their events may be the cause. Nothing is lost.",
            f"{detail} {only}".rstrip(),
            (step, _BY_ITSELF),
        )
    return Finding(
        "outage",
        "warn",
        "The API accepts nothing",
        "Events stay in Redis and are retried. None is lost, and none becomes a dead letter because of this.",
        f"{detail} {only}".rstrip(),
        (step, _BY_ITSELF),
        stops=not only,
    )


def _when(seconds: float) -> str:
    return f"in {span(seconds)}" if seconds >= 1 else "now"
