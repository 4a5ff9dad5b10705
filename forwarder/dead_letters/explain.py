"""Why an event is a dead letter, in plain sentences. Pure, and never raises, whatever the bytes.

The API answers a refused POST with ``{}`` and no reason, so the event is compared with what the API documents.
A sentence never quotes a value, and names members other than ``user_id``, ``name`` and ``date`` only on request.
"""

from itertools import islice
from typing import Any

from forwarder.dead_letters.anomalies import Label, Members, Number, anomalies, parsed, unnamed
from forwarder.errors import InvalidElementError
from forwarder.event.dates import since_1970
from forwarder.event.flaws import RULES, SPLIT, Flaw, Problem
from forwarder.event.members import members_of
from forwarder.event.misspelt import meant
from forwarder.outcome import LetterReason

#: An explanation lists at most this many anomalies.
_MOST = 3

#: How other formats begin.
_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"\xef\xbb\xbf", "JSON behind a byte order mark"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\x80", "a Python pickle"),
    (b"{'", "a Python dict as Python prints it"),
    (b"'", "text with a shell's quotes around it"),
)
_ADDRESS = {
    "404": "it does not know the address of this user. Is the user ID right?",
    "405": "this address takes no POST. Is something else in front of the API?",
    "410": "this user no longer exists.",
    "415": "this address takes no JSON. Is something else in front of the API?",
}
_CAUSES = {
    "timeout": "the last POST was not answered in time",
    "reset": "the connection of the last POST was cut",
    "refused": "the last connection was refused",
    "dns": "the host name of the API could not be resolved",
    "tls": "no secure connection to the API could be made",
    "proxy": "the proxy gave no connection to the API",
    "unreachable": "this machine had no way to the API",
    "no_socket": "this machine had no descriptor, memory or port for a connection",
    "unreadable": "what came back was not an HTTP answer",
    "429": "the last answer was 429, too many requests",
}
_ONE_OBJECT = "An element is one JSON object in UTF-8."


def explain(
    reason: str,
    status: str,
    detail: str,
    element: bytes,
    *,
    claimed_at: int = 0,
    attempts: int = 0,
    label: Label = unnamed,
) -> str:
    """One to three sentences: what is probably wrong, and which rule the event breaks.

    Args:
        reason: the letter's.
        status: the letter's: the status of the answer, or why there was no answer.
        detail: the letter's.
        element: the bytes that were pushed.
        claimed_at: the letter's, in microseconds; 0 if it is not known.
        attempts: the letter's; 0 if it is not known.
        label: how members are called; :func:`anomalies.named` for those who may see user data.
    """
    match reason:
        case LetterReason.INVALID:
            return _invalid(detail, element, label)
        case LetterReason.REJECTED if status in _ADDRESS:
            return f"The API answered {status}: {_ADDRESS[status]}"
        case LetterReason.REJECTED:
            return _rejected(status, list(islice(dict.fromkeys(anomalies(element, claimed_at, label)), _MOST + 1)))
        case LetterReason.TOO_LARGE:
            return _too_large(status, element, label)
        case LetterReason.EXHAUSTED:
            return _exhausted(status, attempts)
        case LetterReason.ERASED:
            return (
                f"The API answered {status}: this user was erased at its owner's request. "
                "The event should be deleted, not replayed."
            )
    return "This version does not know the reason."


def _rejected(status: str, odd: list[str]) -> str:
    answer = f"The API answered {status or 'a refusal'} and gave no reason."
    if not odd:
        return f"{answer} Nothing in the event looks unusual: try the curl of `forwarder dead show`."
    more = ", and more is unusual" if len(odd) > _MOST else ""
    return f"{answer} Likely because {', or because '.join(odd[:_MOST])}{more}."


def _too_large(status: str, element: bytes, label: Label) -> str:
    size = f"The API answered {status or '413'} to this event alone, which is {len(element):,} bytes long."
    try:
        members = members_of(element)
    except InvalidElementError:  # only a letter that somebody wrote by hand
        return size
    if not members:
        return size
    largest = max(members, key=lambda name: len(members[name]))
    return f"{size} The API names no limit. Most of it is {label(largest)}: send less of that."


def _exhausted(status: str, attempts: int) -> str:
    last = _CAUSES.get(status) or f"the last answer was {status or 'not kept'}"
    if status.startswith("5"):
        last += ", an error of the API's own"
    tries = f"{attempts:,} attempts" if attempts else "attempts"
    return (
        f"None of its {tries} was accepted, while events of other users were; {last}. "
        "The event itself may be valid: replay it when the API serves this user again."
    )


def _invalid(detail: str, element: bytes, label: Label) -> str:
    match Flaw.parse(detail):
        case Flaw(member=member) if member:
            return _wrong_member(member, parsed(element), label)
        case Flaw(problem=Problem.NOT_AN_OBJECT):
            return _not_an_object(parsed(element))
        case Flaw(problem=Problem.NOT_JSON | Problem.NOT_UTF8) as flaw:
            return _not_json(str(flaw), element)
        case Flaw(problem=Problem.TOO_LONG | Problem.TOO_LONG_DATED as problem, found=found, allowed=allowed):
            when = " once it is dated and sent" if problem is Problem.TOO_LONG_DATED else ""
            return f"It is too long: {int(found):,} bytes{when}, but FORWARDER_MAX_EVENT_BYTES allows {int(allowed):,}."
        case Flaw() as flaw:
            return f"It is not an event: {flaw}."
    return "It is not an event."


def _wrong_member(member: str, members: Any, label: Label) -> str:
    rule = f"{'If it is there, it' if member == 'date' else 'It'} must be {RULES[member]}."
    if not isinstance(members, Members):
        return f"The member `{member}` is wrong. {rule}"
    if any(key == member for key, _ in members):
        return f"The member `{member}` is {_kind(members.value(member), member, label)}. {rule}"
    return f"The member `{member}` is missing.{_renamed(members, label)} {rule}"


def _renamed(members: Members, label: Label) -> str:
    """Which members are probably ours, under other names."""
    names = [key for key, _ in members]
    found = {member: meant(member, names) for member in RULES if member not in names}
    asked = [f"{label(name)} be called `{member}`" for member, name in found.items() if name is not None]
    return f" Should {', and '.join(asked)}?" if asked else ""


def _kind(value: Any, member: str, label: Label) -> str:
    if member == "date" and (moment := since_1970(value)):
        unit, date = moment
        return f"a number of {unit} since 1970" + (f": write it as {date}" if label is not unnamed else "")
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case Number():
            return "a number"
        case "":
            return "an empty string"
        case str():
            return "a string of another form" if member == "date" else "a string that cannot be sent"
        case Members():
            return "an object"
    return "an array"


def _not_an_object(value: Any) -> str:
    match value:
        case Members():
            return f"It is not an event. {_ONE_OBJECT}"
        case list():
            return f"It is an array. {_ONE_OBJECT} Push each event as an element of its own: {SPLIT}"
        case str() if isinstance(parsed(value.encode(errors="replace")), Members):
            return f"It is a string that holds JSON: the producer encoded the event twice. {_ONE_OBJECT}"
    return f"It is JSON, but not an object. {_ONE_OBJECT}"


def _not_json(what: str, element: bytes) -> str:
    start = element.lstrip()
    known = next((form for magic, form in _FORMATS if start.startswith(magic)), "")
    if known:
        return f"It is {what}: it looks like {known}. {_ONE_OBJECT}"
    if not start:
        return f"It is empty. {_ONE_OBJECT}"
    if start.startswith(b"{") and not start.rstrip().endswith(b"}"):
        return f"It is {what}: it looks cut off, at {len(element):,} bytes. {_ONE_OBJECT}"
    return f"It is {what}. {_ONE_OBJECT}"
