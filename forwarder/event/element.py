"""One element: the event in it, decoded with care. Pure: no I/O, no clock.

An element is one JSON object (DESIGN: wire format). The body that is sent consists of the element's own bytes:
only ``user_id`` is taken out, and ``date`` gets an offset if it has none.

The length limit holds for all that an event ever becomes: the element, a POST that holds it alone, and the element
that is pushed again when a dead letter is replayed. The latter two have a date, which the element may lack.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from forwarder.errors import InvalidElementError
from forwarder.event.dates import last_part, timestamp
from forwarder.event.flaws import Flaw, Problem
from forwarder.event.members import Members, members_of, object_of, text_of

#: No user can be called so: percent-encoded or not, these mean a directory (WHATWG URL, section 4.1).
DIRECTORIES = frozenset({".", ".."})

#: Bytes of a POST with one event, besides that event.
_ALONE = len(b'{"events":[]}')
#: Bytes of the member ``user_id``, with its comma and without its value.
_USER = len(b'"user_id":,')
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
_NULL = msgspec.Raw(b"null")


class Event(msgspec.Struct, frozen=True, gc=False):
    """A valid event, claimed.

    A Struct, because up to MAX_BUFFERED_EVENTS of them are in memory: each takes 48 bytes, the garbage collector
    does not track it, and it is made eight times as fast as a frozen dataclass.

    Attributes:
        number: the sequence number of its claim.
        stamp: when Redis claimed it, in microseconds since the epoch.
        user: never empty, ``.`` or ``..``; UTF-8 can encode it.
        body: the JSON object to send.
    """

    number: int
    stamp: int
    user: str
    body: bytes


class Invalid(msgspec.Struct, frozen=True):
    """A claimed element that is not an event; ``why`` names the member that is wrong, ``size`` is its bytes."""

    number: int
    stamp: int
    size: int
    why: str


def decode_carefully(element: bytes, number: int, stamp: int, max_bytes: int) -> Event:
    """The event in `element`, however its members are written. Raises what :func:`decode` raises."""
    if len(element) > max_bytes:
        raise InvalidElementError(too_long(len(element), max_bytes))
    members = members_of(element)
    value = members.pop("user_id", None)
    user = _user(value, members)
    _check_name(members.get("name"), members)
    undated = _stamp(members, stamp)
    if not undated:
        members["date"] = _with_offset(members["date"])
    body = object_of(members)
    longest = len(body) + max(_ALONE, _USER + len(value or b"") if undated else 0)
    if longest > max_bytes:
        raise InvalidElementError(Flaw(Problem.TOO_LONG_DATED, found=str(longest), allowed=str(max_bytes)))
    return Event(number, stamp, user, body)


def too_long(size: int, max_bytes: int) -> Flaw:
    """What is wrong with an element of more bytes than an event may have."""
    return Flaw(Problem.TOO_LONG, found=str(size), allowed=str(max_bytes))


def user_of(element: bytes) -> str | None:
    """The user of an element of any length, also if the rest of it is invalid; None if it names no user."""
    try:
        members = members_of(element)
        return _user(members.get("user_id"), members)
    except InvalidElementError:
        return None


def name_of(element: bytes) -> str | None:
    """The name of an event, also if the rest of it is invalid; None if there is none. Raises nothing."""
    try:
        name = members_of(element).get("name")
    except InvalidElementError:
        return None
    return None if name is None else text_of(name)


def with_date(element: bytes, stamp: int) -> bytes:
    """The element with the date of its claim, if it has no date.

    A valid event stays valid: its length limit includes the date.

    Raises:
        InvalidElementError: `element` is not a JSON object.
    """
    members = members_of(element)
    return object_of(members) if _stamp(members, stamp) else element


def one_line(element: bytes) -> bytes:
    """The same JSON in one line."""
    # In JSON, a line break is white space; within a string it is always escaped (RFC 8259, sections 2 and 7).
    return element.translate(_ONE_LINE).strip()


def replaced(element: bytes, values: Mapping[str, bytes]) -> bytes:
    """`element` with these members, each a JSON value: in place of those of the same name, or at the end.

    Raises:
        InvalidElementError: `element` is not a JSON object.
    """
    return object_of(members_of(element) | {name: msgspec.Raw(value) for name, value in values.items()})


def _user(value: msgspec.Raw | None, members: Members) -> str:
    if value is None:
        raise InvalidElementError(Flaw.missing("user_id", members))
    user = text_of(value)
    if user is None and (raw := bytes(value)).removeprefix(b"-").isdigit():
        user = "0" if raw == b"-0" else raw.decode()
    if not user or user in DIRECTORIES:
        raise InvalidElementError(Flaw.wrong("user_id"))
    return user


def _check_name(value: msgspec.Raw | None, members: Members) -> None:
    if value is None:
        raise InvalidElementError(Flaw.missing("name", members))
    if not text_of(value):
        raise InvalidElementError(Flaw.wrong("name"))


def _stamp(members: Members, stamp: int) -> bool:
    """Gives an event without a date that of its claim; False if it has one."""
    date = members.get("date")
    if date is not None and date != _NULL:
        return False
    members.pop("date", None)
    members["date"] = _stamped(stamp // 1_000_000)
    return True


@lru_cache(maxsize=16)
def _stamped(seconds: int) -> msgspec.Raw:
    return msgspec.Raw(f'"{timestamp(datetime.fromtimestamp(seconds, UTC))}"'.encode())


def _with_offset(value: msgspec.Raw) -> msgspec.Raw:
    match last_part(text_of(value) or ""):
        case None:
            raise InvalidElementError(Flaw.wrong("date"))
        case "offset":
            return value
        case "time":
            return msgspec.Raw(bytes(value)[:-1] + b'Z"')
    return msgspec.Raw(bytes(value)[:-1] + b'T00:00:00Z"')
