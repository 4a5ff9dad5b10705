"""The members of a JSON object, each with its original bytes. Pure.

A value is never decoded and encoded again: 1.10 stays 1.10, and an integer keeps all its digits.
"""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, compress
from typing import NoReturn, TypeAlias

import msgspec

from forwarder.errors import InvalidElementError
from forwarder.event.flaws import Flaw, Problem

Members: TypeAlias = dict[str, msgspec.Raw]

#: The most levels of nesting that an element may have, counting the element itself. The request body adds two,
#: and some parsers read at most 100 (``max_nesting`` of Ruby's json).
MAX_DEPTH = 98
#: The most members that an element may have, repeated ones included; members of nested objects do not count. Each
#: costs about a microsecond, and as much again if the element has half a surrogate pair. 64 KiB have room for 10,000.
MAX_MEMBERS = 1_000
#: An element of at most this many bytes cannot be nested too deep: each level takes two, its brackets.
_SHALLOW_BYTES = 2 * MAX_DEPTH
#: An element of at most this many bytes cannot have too many members: each takes five with its comma, as in "":1,
_NARROW_BYTES = 5 * MAX_MEMBERS

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_STRUCTURE = bytes(set(range(256)) - set(b"[]{}:"))
#: What each byte adds to the depth, as a signed byte: 255 is -1.
_STEPS = bytes.maketrans(b"[]{}:", bytes([1, 255, 1, 255, 0]))
_COLONS = bytes.maketrans(b"[]{}:", bytes([0, 0, 0, 0, 1]))
#: Half a surrogate pair: a first half that no second half follows, or a second half that follows no first one. It is
#: looked for where no backslash is escaped.
_LONE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_KEY = re.compile(r'[\s{,]*("(?:[^"\\]++|\\.)*+")\s*:\s*')

_decode_members = msgspec.json.Decoder(Members).decode
_decode_string = msgspec.json.Decoder(str).decode
# Only the end of a number is needed. Read as text, a number may have any number of digits.
_scan_value = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode
_encode_string = json.JSONEncoder(ensure_ascii=False).encode


def members_of(element: bytes) -> Members:
    """The members of an element by name, in order. Of members with the same name, the last one counts.

    Raises:
        InvalidElementError: `element` is not a JSON object in UTF-8, it is nested too deep, or has too many members.
    """
    if not element.isascii() and (position := first_bad_byte(element)) is not None:
        raise InvalidElementError(Flaw(Problem.NOT_UTF8, found=str(position)))
    if not surely_plain([element], len(element)):
        _check_shape(element)
    try:
        return _decode_members(element)
    except msgspec.ValidationError:
        raise InvalidElementError(Flaw(Problem.NOT_AN_OBJECT)) from None
    except msgspec.DecodeError as error:
        unescaped = element.replace(rb"\\", b"//")
        masked = _LONE.sub(rb"\\ufffd", unescaped)
        if masked == unescaped:
            _raise_not_json(error)
        return _members_around_lone_surrogates(element, masked)


def object_of(members: Members) -> bytes:
    """The JSON object with these members, in this order."""
    return b"{%b}" % b",".join([_key(name) + value for name, value in members.items()])


def text_of(value: msgspec.Raw) -> str | None:
    """The text of a JSON string; None if the value is not a string, or is one that UTF-8 cannot encode."""
    try:
        return _decode_string(value)
    except msgspec.DecodeError:
        return None


def first_bad_byte(text: bytes) -> int | None:
    """The position of the first byte that is not UTF-8; None if all bytes are. msgspec does not check a Raw string."""
    if text.isascii():
        return None
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def surely_plain(elements: Sequence[bytes], longest: int) -> bool:
    """Whether no element can be nested too deep or have too many members: none has enough brackets or colons.

    Those in strings count too, so False decides nothing.
    """
    if longest <= _SHALLOW_BYTES:
        return True
    if longest > _NARROW_BYTES and any(element.count(b":") > MAX_MEMBERS for element in elements):
        return False
    return all(element.count(b"[") + element.count(b"{") <= MAX_DEPTH for element in elements)


def _check_shape(element: bytes) -> None:
    """Checks depth and members. No byte costs a step of Python: an element may have 64,000 brackets and colons."""
    structure = _STRING.sub(b"", element).translate(None, _NOT_STRUCTURE)
    depths = list(accumulate(memoryview(structure.translate(_STEPS)).cast("b")))
    deepest = max(depths, default=0)
    if deepest > MAX_DEPTH:
        raise InvalidElementError(Flaw(Problem.TOO_DEEP, found=str(deepest), allowed=str(MAX_DEPTH)))
    members = list(compress(depths, structure.translate(_COLONS))).count(1)
    if members > MAX_MEMBERS:
        raise InvalidElementError(Flaw(Problem.TOO_MANY_MEMBERS, found=str(members), allowed=str(MAX_MEMBERS)))


def _raise_not_json(error: msgspec.DecodeError) -> NoReturn:
    what = str(error).removeprefix("JSON is malformed: ")
    raise InvalidElementError(Flaw(Problem.NOT_JSON, found=what[:1].lower() + what[1:])) from None


def _members_around_lone_surrogates(element: bytes, masked: bytes) -> Members:
    # Node's JSON.stringify writes "\ud83d" when a text was cut in the middle of an emoji. That is JSON (RFC 8259,
    # section 8.2) and does no harm outside of user and name, but msgspec refuses it. So msgspec checks the
    # element without these escapes, and then the standard library finds where each value begins and ends.
    try:
        _decode_members(masked)
    except msgspec.DecodeError as error:
        _raise_not_json(error)
    text = element.decode()
    members: Members = {}
    key = _KEY.match(text)
    while key is not None:
        _, end = _scan_value(text, key.end())
        name, _ = _scan_value(text, key.start(1))
        members[name] = msgspec.Raw(text[key.end() : end].encode())
        key = _KEY.match(text, end)
    return members


# A bound on entries also bounds bytes: a name is at most as long as an element.
@lru_cache(maxsize=256)
def _key(name: str) -> bytes:
    # Backslashreplace writes a lone surrogate exactly as JSON escapes it.
    return _encode_string(name).encode(errors="backslashreplace") + b":"
