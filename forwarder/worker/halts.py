"""Whom a halt is meant for, and how it is said."""

from datetime import UTC, datetime

from forwarder.api.verdict import Halt
from forwarder.outcome import HaltReason
from forwarder.pipeline.parts import Parts
from forwarder.queue import HaltRecord

#: What a person does about each halt. One line: it stands in the log, on /readyz and in `forwarder status`.
REMEDIES = {
    HaltReason.CREDENTIALS: "put the right key into the key file (it is watched), or start with it; "
    "or run `forwarder resume` if the key was right",
    HaltReason.MISDIRECTED: "set FORWARDER_API_URL, FORWARDER_API_VERSION or FORWARDER_QUEUE right and start again; "
    "then run `forwarder resume`",
    HaltReason.DEAD_LETTER_BRAKE: "look at `forwarder dead list`; mend the producer, then run `forwarder resume`, "
    "or `forwarder resume --allow-refusals N` to let N refusals through",
}


def remedy(reason: str) -> str:
    """What to do about a halt, also about one that we did not write."""
    try:
        return REMEDIES[HaltReason(reason)]
    except ValueError:
        return "run `forwarder resume` when the cause is gone"


def halts(halt: HaltRecord, parts: Parts) -> bool:
    """Whether a halt is meant for this process: it has the same key, or address, or the halt names neither."""
    return halt.fingerprint in ("", parts.credentials.fingerprint, parts.api.fingerprint)


def record(stop: Halt) -> HaltRecord:
    """The halt to write down, as of now."""
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return HaltRecord(stop.reason, stop.detail, since, stop.fingerprint)
