"""Why an event is a dead letter, in plain sentences. Pure, and it never raises, whatever the bytes.

The API says ``{}`` to whatever it refuses, so for that the event is compared with what the API documents. Values are
never quoted, only names of members: what explains a letter may stand where payloads may not.
"""

import re
from itertools import islice
from typing import Any

from forwarder.dead_letters.anomalies import Members, Number, label, oddities, parsed
from forwarder.outcome import LetterReason

#: So many oddities are told.
_MOST = 3

#: What bytes that are not JSON begin with, and what that is.
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
    "404": "it does not know the address of this user. Is the user id right?",
    "405": "this address takes no POST. Is something else in front of the API?",
    "410": "this user is gone for good.",
    "415": "this address takes no JSON. Is something else in front of the API?",
}
#: What producers call the members that every event needs.
_OTHER_NAMES = {
    "user_id": {"user", "userid", "uid", "id", "user-id", "customer_id", "customerid"},
    "name": {"event", "event_name", "eventname", "event-name", "type", "title"},
}
_RULES = {
    "user_id": "a non-empty string, but not . or .., or an integer",
    "name": "a non-empty string",
    "date": "a string of the form YYYY-MM-DD[Thh:mm[:ss[.fraction]][Z|±hh:mm]], and a day and time that exist",
}
_CAUSES = {
    "timeout": "the last POST was not answered in time",
    "reset": "the connection of the last POST was cut",
    "refused": "the last connection was refused",
    "dns": "the name of the API could not be resolved",
    "tls": "no safe connection to the API could be made",
    "429": "the last answer was 429, too many requests",
}
_ONE_OBJECT = "One element is one JSON object in UTF-8."


def explain(reason: str, status: str, detail: str, element: bytes, *, claimed_at: int = 0) -> str:
    """One to three sentences: what is likely wrong, and against which rule.

    Args:
        reason: of the letter.
        status: of the letter: the answer's status, or why there was none.
        detail: of the letter.
        element: what was pushed.
        claimed_at: of the letter, in microseconds; 0 if it is not known.
    """
    match reason:
        case LetterReason.INVALID:
            return _invalid(detail, element)
        case LetterReason.REJECTED if status in _ADDRESS:
            return f"The API answered {status}: {_ADDRESS[status]}"
        case LetterReason.REJECTED:
            return _rejected(status, list(islice(dict.fromkeys(oddities(element, claimed_at)), _MOST + 1)))
        case LetterReason.TOO_LARGE:
            return _too_large(status, element)
        case LetterReason.EXHAUSTED:
            return _exhausted(status, detail)
    return f"The reason {reason!r} is not known here."


def _rejected(status: str, odd: list[str]) -> str:
    said = f"The API answered {status or 'a refusal'} and says no more."
    if not odd:
        return f"{said} Nothing unusual is seen in the event: try the curl."
    more = ", and more is unusual" if len(odd) > _MOST else ""
    return f"{said} Likely because {', or because '.join(odd[:_MOST])}{more}."


def _too_large(status: str, element: bytes) -> str:
    size = f"The API answered {status or '413'} to this event alone, which is {len(element):,} bytes long."
    members = parsed(element)
    if not isinstance(members, Members) or not members:
        return size
    largest = max(members, key=lambda member: len(repr(member[1])))
    return f"{size} The API names no limit. Most of it is {label(largest[0])}: send less of that."


def _exhausted(status: str, detail: str) -> str:
    last = _CAUSES.get(status) or f"the last answer was {status or 'not kept'}"
    if status.startswith("5"):
        last += ", an error of the API's own"
    times = re.match(r"\d+ attempts", detail)
    return (
        f"{times[0] if times else 'Its attempts'} failed while events of other users were accepted; {last}. "
        "The event itself may be right: replay it when the API serves this user again."
    )


def _invalid(detail: str, element: bytes) -> str:
    member, colon, _ = detail.partition(": ")
    if colon and member in _RULES:
        return _wrong_member(member, parsed(element))
    if detail.startswith("not an object"):
        return _no_object(parsed(element))
    if detail.startswith(("not UTF-8", "not JSON")):
        return _no_json(detail, element)
    sizes = re.search(r"(\d{1,20}) bytes\D+(\d{1,20})", detail)
    if sizes:
        long, most = int(sizes[1]), int(sizes[2])
        return f"It is too long: {long:,} bytes, where FORWARDER_MAX_EVENT_BYTES allows {most:,}."
    return f"It is no event: {detail}." if detail else "It is no event."


def _wrong_member(member: str, members: Any) -> str:
    rule = f"{'If it is there, it' if member == 'date' else 'It'} must be {_RULES[member]}."
    if not isinstance(members, Members):
        return f"The member `{member}` is wrong. {rule}"
    if any(key == member for key, _ in members):
        return f"The member `{member}` is {_kind(members.value(member), member)}. {rule}"
    others = _OTHER_NAMES.get(member, set())
    meant = [key for key, _ in members if key.lower() in others or key.strip().lower() == member]
    hint = f" There is {label(meant[0])}: is it that?" if meant else ""
    return f"The member `{member}` is missing.{hint} {rule}"


def _kind(value: Any, member: str) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case Number():
            return "a number" + (", perhaps a Unix time" if member == "date" else "")
        case "":
            return "an empty string"
        case str():
            return "a string of another form" if member == "date" else "a string that cannot be sent"
        case Members():
            return "an object"
    return "an array"


def _no_object(value: Any) -> str:
    match value:
        case Members():
            return f"It is no event. {_ONE_OBJECT}"
        case list():
            return f"It is an array. {_ONE_OBJECT} Several events are several elements of the list."
        case str() if isinstance(parsed(value.encode(errors="replace")), Members):
            return f"It is a string that holds JSON: the producer has encoded it twice. {_ONE_OBJECT}"
    return f"It is JSON, but no object. {_ONE_OBJECT}"


def _no_json(detail: str, element: bytes) -> str:
    start = element.lstrip()
    known = next((what for magic, what in _FORMATS if start.startswith(magic)), "")
    if known:
        return f"It is {detail}: it looks like {known}. {_ONE_OBJECT}"
    if not start:
        return f"It is empty. {_ONE_OBJECT}"
    if start.startswith(b"{") and not start.rstrip().endswith(b"}"):
        return f"It is {detail}: it looks cut off, at {len(element):,} bytes. {_ONE_OBJECT}"
    return f"It is {detail}. {_ONE_OBJECT}"
