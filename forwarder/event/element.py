"""One list element and the event in it: decode, validate, encode. Pure: no I/O, no clock.

An element is one JSON object (DESIGN: wire format). What is sent is put together from the element's own
bytes: only ``user_id`` is taken out, and ``date`` is made to say its offset.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NoReturn

import msgspec

from forwarder.errors import InvalidElementError
from forwarder.event.fast_path import MAX_DEPTH, last_part, usual

_DATE_FORM = "YYYY-MM-DD[Thh:mm[:ss[.fraction]][Z|±hh:mm]]"
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."
)
_KEY = re.compile(r'[\s{,]*("(?:[^"\\]++|\\.)*+")\s*:\s*')

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
_NULL = msgspec.Raw(b"null")
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_string = msgspec.json.Decoder(str).decode
# Numbers are only passed over: read as text they have no limit on digits.
_scan_value = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode


class Event(msgspec.Struct, frozen=True, gc=False):
    """A valid event, claimed.

    A Struct because up to MAX_BUFFERED_EVENTS of them are in memory: 48 bytes each, out of the garbage
    collector's sight, and made eight times as fast as a frozen dataclass.

    Attributes:
        number: the sequence number of its claim.
        stamp: Redis' time of its claim, in microseconds since the epoch.
        user: never empty, ``.`` or ``..``; UTF-8 can encode it.
        body: the JSON object to send.
    """

    number: int
    stamp: int
    user: str
    body: bytes


class Invalid(msgspec.Struct, frozen=True):
    """A claimed element that is no event; ``why`` names the member that is wrong."""

    number: int
    stamp: int
    why: str


def decode(element: bytes, *, number: int = 0, stamp: int = 0, max_bytes: int) -> Event:
    """The event in `element`; the same arguments always give the same body.

    Members keep their order, and the values of all but ``user_id`` and ``date`` their bytes. Of duplicate
    members the last one counts.

    Raises:
        InvalidElementError: `element` is not an event. The message names the member that is wrong and
            quotes nothing of the element. Nothing else is raised, whatever the bytes.
    """
    found = usual([element], max_bytes)
    if found is not None:
        (user,), (body,) = found
        return Event(number, stamp, user, body)
    return _unusual(element, number, stamp, max_bytes)


def decode_page(
    elements: Sequence[bytes], numbers: Sequence[int], stamps: Sequence[int], max_bytes: int
) -> tuple[list[Event], list[Invalid]]:
    """What :func:`decode` makes of each, for a third of the time if all are as usual."""
    found = usual(elements, max_bytes)
    if found is not None:
        return list(map(Event, numbers, stamps, *found)), []
    events: list[Event] = []
    invalid: list[Invalid] = []
    for element, number, stamp in zip(elements, numbers, stamps, strict=True):
        try:
            events.append(decode(element, number=number, stamp=stamp, max_bytes=max_bytes))
        except InvalidElementError as error:
            invalid.append(Invalid(number, stamp, str(error)))
    return events, invalid


def _unusual(element: bytes, number: int, stamp: int, max_bytes: int) -> Event:
    if len(element) > max_bytes:
        raise InvalidElementError(f"{len(element)} bytes: at most {max_bytes} are allowed")
    members = _members(element)
    user = _user(members.pop("user_id", None))
    _check_name(members.get("name"))
    if not _stamp(members, stamp):
        members["date"] = _with_offset(members["date"])
    return Event(number, stamp, user, _object(members))


def user_of(element: bytes) -> str | None:
    """The user of an element, be it an event otherwise or not, and however long; None if it names none."""
    try:
        return _user(_members(element).get("user_id"))
    except InvalidElementError:
        return None


def with_date(element: bytes, stamp: int, max_bytes: int) -> bytes:
    """The element with the date of its claim, if it has none and there is room for one.

    Raises:
        InvalidElementError: it is not a JSON object.
    """
    members = _members(element)
    stamped = _object(members) if _stamp(members, stamp) else element
    return stamped if len(stamped) <= max_bytes else element


def one_line(element: bytes) -> bytes:
    """The same JSON in one line."""
    # In JSON a line break is white space; within a string it would be escaped (RFC 8259, sections 2 and 7).
    return element.translate(_ONE_LINE).strip()


def replaced(element: bytes, values: Mapping[str, bytes]) -> bytes:
    """`element` with these members, each a JSON value: in their places, or at the end.

    Raises:
        InvalidElementError: it is no JSON object.
    """
    return _object(_members(element) | {name: msgspec.Raw(value) for name, value in values.items()})


def name_of(element: bytes) -> str | None:
    """The name of the event, if it can be read, whatever else may be wrong with it. Raises nothing."""
    try:
        name = _members(element).get("name")
    except InvalidElementError:
        return None
    return None if name is None else _string(name)


def _stamp(members: dict[str, msgspec.Raw], stamp: int) -> bool:
    """Gives an event without a date that of its claim; False if it has one."""
    date = members.get("date")
    if date is not None and date != _NULL:
        return False
    members.pop("date", None)
    members["date"] = _stamped(stamp // 1_000_000)
    return True


def _object(members: dict[str, msgspec.Raw]) -> bytes:
    return b"{%b}" % b",".join([_key(name) + value for name, value in members.items()])


def _members(element: bytes) -> dict[str, msgspec.Raw]:
    if not element.isascii():
        _check_utf8(element)
    # A level takes two bytes at least, and two bytes in brackets at least.
    if len(element) > 2 * MAX_DEPTH and element.count(b"[") + element.count(b"{") > MAX_DEPTH:
        _check_depth(element)
    try:
        return _decode_members(element)
    except msgspec.ValidationError:
        raise InvalidElementError("not an object") from None
    except msgspec.DecodeError as error:
        masked = _ESCAPE.sub(_masked, element)
        if masked == element:
            _raise_not_json(error)
        return _members_around_lone_surrogates(element, masked)


def _check_utf8(element: bytes) -> None:
    # msgspec passes over the bytes of a Raw string without looking.
    try:
        element.decode()
    except UnicodeDecodeError as error:
        raise InvalidElementError(f"not UTF-8 at byte {error.start}") from None


def _check_depth(element: bytes) -> None:
    deepest = depth = 0
    for bracket in _STRING.sub(b"", element).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise InvalidElementError(f"nested too deep: {deepest} levels, at most {MAX_DEPTH} are allowed")


def _raise_not_json(error: msgspec.DecodeError) -> NoReturn:
    what = str(error).removeprefix("JSON is malformed: ")
    raise InvalidElementError(f"not JSON: {what[:1].lower()}{what[1:]}") from None


def _masked(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape["lone"] else escape[0]


def _members_around_lone_surrogates(element: bytes, masked: bytes) -> dict[str, msgspec.Raw]:
    # What a producer makes of a text cut amid an emoji (Node's JSON.stringify: "\ud83d"). It is JSON (RFC
    # 8259, section 8.2) and not ours to judge in other members, but msgspec refuses it. So msgspec checks
    # all the rest, and then the values are found by the standard library.
    try:
        _decode_members(masked)
    except msgspec.DecodeError as error:
        _raise_not_json(error)
    text = element.decode()
    members: dict[str, msgspec.Raw] = {}
    key = _KEY.match(text)
    while key is not None:
        _, end = _scan_value(text, key.end())
        members[json.loads(key[1])] = msgspec.Raw(text[key.end() : end].encode())
        key = _KEY.match(text, end)
    return members


def _string(value: msgspec.Raw) -> str | None:
    """The text of a JSON value; None if it is no string, or one that UTF-8 cannot encode."""
    try:
        return _decode_string(value)
    except msgspec.DecodeError:
        return None


def _user(value: msgspec.Raw | None) -> str:
    if value is None:
        raise InvalidElementError("user_id: missing")
    user = _string(value)
    if user is None and (raw := bytes(value)).removeprefix(b"-").isdigit():
        user = "0" if raw == b"-0" else raw.decode()
    if not user:
        raise InvalidElementError("user_id: must be a non-empty string, encodable as UTF-8, or an integer")
    # Percent-encoded or not, these mean a directory (WHATWG URL, section 4.1: double-dot path segments).
    if user in {".", ".."}:
        raise InvalidElementError("user_id: . and .. cannot be sent")
    return user


def _check_name(value: msgspec.Raw | None) -> None:
    if value is None:
        raise InvalidElementError("name: missing")
    if not _string(value):
        raise InvalidElementError("name: must be a non-empty string, encodable as UTF-8")


def _with_offset(value: msgspec.Raw) -> msgspec.Raw:
    match last_part(_string(value) or ""):
        case None:
            raise InvalidElementError(f"date: not a date of the form {_DATE_FORM}, or no such day or time")
        case "offset":
            return value
        case "time":
            return msgspec.Raw(bytes(value)[:-1] + b'Z"')
    return msgspec.Raw(bytes(value)[:-1] + b'T00:00:00Z"')


@lru_cache(maxsize=16)
def _stamped(seconds: int) -> msgspec.Raw:
    return msgspec.Raw(f'"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"'.encode())


# A bound on entries bounds bytes too: a key is no longer than an element may be.
@lru_cache(maxsize=256)
def _key(name: str) -> bytes:
    # Backslashreplace writes a lone surrogate just as JSON escapes it.
    return json.dumps(name, ensure_ascii=False).encode(errors="backslashreplace") + b":"
