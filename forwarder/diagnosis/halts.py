"""The words for a halt: a title, and what to do, the right action first.

`forwarder resume` is the last step, not the first: while the key or the address is still wrong, the service would halt
again at once.
"""

from dataclasses import replace

from forwarder.diagnosis.facts import Halted, Setup
from forwarder.diagnosis.finding import Finding
from forwarder.diagnosis.spans import sentence
from forwarder.outcome import HaltReason

_KEPT = "Nothing is sent, and everything is kept in Redis."


def halted(halt: Halted, setup: Setup) -> Finding:
    """The halt in force, for people."""
    match halt.reason:
        case HaltReason.CREDENTIALS:
            title, steps = "Halted: the API refuses the key", _credentials(setup)
        case HaltReason.MISDIRECTED if halt.named:
            title, steps = "Halted: this is not the API", _address(setup)
        case HaltReason.MISDIRECTED:
            title, steps = "Halted: this is not a list of events", _FOREIGN
        case HaltReason.DEAD_LETTER_BRAKE:
            title, steps = "Halted: most events were refused", _BRAKE
        case "paused":
            return Finding(
                "paused", "warn", "Paused", f"A person has asked for it. {_KEPT}", halt.detail, _PAUSED, stops=True
            )
        case _:
            return Finding("halted", "bad", "Halted", _KEPT, sentence(halt.detail), _UNKNOWN, stops=True)
    return Finding(halt.reason, "bad", title, _KEPT, sentence(halt.detail), steps, stops=True)


def halted_in_part(halt: Halted, setup: Setup) -> Finding:
    """A halt that names a key or an address that other workers do not use, so they go on."""
    found = halted(halt, setup)
    title = found.title.replace("Halted", "Some workers are halted", 1)
    return replace(found, title=title, sentence="Other workers use another key or address. They go on.", stops=False)


def _credentials(setup: Setup) -> tuple[str, ...]:
    last = (*_proxy(setup), "Only if the refused key is right after all: `forwarder resume`")
    if setup.key_file:
        put = f"Put the right key into `{setup.key_file}` (`FORWARDER_API_KEY_FILE`)."
        return (f"{put} The service then continues by itself.", *last)
    return (
        "Put the right key into the file in `FORWARDER_API_KEY_FILE`. The service then continues by itself.",
        "If the key is in `FORWARDER_API_KEY`, change that and restart. The service then continues by itself.",
        *last,
    )


def _address(setup: Setup) -> tuple[str, ...]:
    now = f" (now {setup.api})" if setup.api else ""
    return (
        f"Correct `FORWARDER_API_URL` or `FORWARDER_API_VERSION`{now}, and restart the service. It then continues.",
        "See what answers there: `forwarder check`",
        *_proxy(setup),
        "Only if the address is right after all: `forwarder resume`",
    )


def _proxy(setup: Setup) -> tuple[str, ...]:
    """The answers may be those of a proxy or a portal. Another proxy ends no halt: the key and the address stay."""
    if not setup.proxy:
        return ()
    correct = f"If the proxy answers instead of the API, correct `FORWARDER_API_PROXY` (now {setup.proxy})"
    return (f"{correct}, restart the service, and end the halt: `forwarder resume`",)


_FOREIGN = (
    "Correct `FORWARDER_QUEUE`, the name of the list, and restart the service. Nothing was taken from this list.",
    "If these are your events, fix the producer, and look at one: `forwarder check`",
    "If the list is the right one, let the service take what is in it: `forwarder resume`",
)
_BRAKE = (
    "Look at what was refused: `forwarder dead summary`",
    "Fix or stop the producer, or the service will halt again.",
    "Go on, if no bad events are left: `forwarder resume`",
    "Or let up to 1,000 more bad events become dead letters: `forwarder resume --allow-refusals 1000`",
)
_PAUSED = ("Go on: `forwarder resume`",)
_UNKNOWN = ("Find out why, then end the halt: `forwarder resume`",)
